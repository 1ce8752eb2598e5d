# The recipes of conf/recipes, as texts in the program. A tree without that folder has none.
file(GLOB recipe_files CONFIGURE_DEPENDS conf/recipes/*.ini)
list(SORT recipe_files)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${recipe_files})
set(recipe_texts "")
set(recipe_entries "")
set(i 0)
foreach(file IN LISTS recipe_files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text HEX)
  string(REGEX REPLACE "(..)" "0x\\1," text "${text}")
  string(APPEND recipe_texts "static const char text_${i}[] = {${text}0};\n")
  string(APPEND recipe_entries "    {\"${name}\", text_${i}},\n")
  math(EXPR i "${i} + 1")
endforeach()
write_source(recipes_text.c "/* Generated from conf/recipes. */
#include \"cli/recipes.h\"

#include <stddef.h>

${recipe_texts}
const struct recipe recipes[] = {
${recipe_entries}    {NULL, NULL},
};
")
