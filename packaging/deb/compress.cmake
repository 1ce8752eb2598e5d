# Run by CPack before it makes the package: manual and changelog compressed, as Debian has them,
# without a time stamp in them.
file(GLOB_RECURSE plain
  ${CPACK_TEMPORARY_DIRECTORY}/usr/share/man/*.[157]
  ${CPACK_TEMPORARY_DIRECTORY}/usr/share/doc/probe/changelog)
foreach(file IN LISTS plain)
  execute_process(COMMAND gzip -9n ${file} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
