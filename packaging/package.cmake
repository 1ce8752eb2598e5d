# What an installation has beside the program, its manual and its completions, and how CPack makes
# the Debian package of it: packaging/deb/build sets PROBE_DEB and the flags.
option(PROBE_DEB "Install what a Debian package has" OFF)
set(PROBE_MAINTAINER "The probe authors <maintainers@probe.example.org>" CACHE STRING
  "Name and address in the package")
set(PROBE_DATE "Thu, 01 Jan 1970 00:00:00 +0000" CACHE STRING "Date in the package's changelog")
set(PROBE_CONFIG_FILE ${CMAKE_INSTALL_FULL_SYSCONFDIR}/probe/probe.ini)
set(packaging ${CMAKE_CURRENT_SOURCE_DIR}/packaging)

configure_file(${packaging}/systemd/probe.service.in probe.service @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/probe.service DESTINATION lib/systemd/system)
install(FILES ${packaging}/systemd/probe.sysusers DESTINATION lib/sysusers.d RENAME probe.conf)
install(FILES ${packaging}/systemd/probe.tmpfiles DESTINATION lib/tmpfiles.d RENAME probe.conf)
install(DIRECTORY conf/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples FILES_MATCHING PATTERN *.ini)

# A configuration that is there is its owner's.
install(CODE "
  if(NOT EXISTS \"\$ENV{DESTDIR}${PROBE_CONFIG_FILE}\")
    file(INSTALL DESTINATION \"${CMAKE_INSTALL_FULL_SYSCONFDIR}/probe\" TYPE FILE
      FILES \"${CMAKE_CURRENT_SOURCE_DIR}/conf/probe.ini\")
  else()
    message(STATUS \"Kept: \$ENV{DESTDIR}${PROBE_CONFIG_FILE}\")
  endif()")

if(PROBE_DEB)
  configure_file(${packaging}/deb/changelog.in changelog @ONLY)
  install(FILES ${packaging}/deb/copyright ${CMAKE_CURRENT_BINARY_DIR}/changelog
    DESTINATION ${CMAKE_INSTALL_DOCDIR})
else()
  install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME probe)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "${PROBE_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
if(PROBE_PROGRAM)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${PROBE_DEB_ARCHITECTURE})
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS OFF)
  install(DIRECTORY ${PROBE_LICENCES}/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/licences)
else()
  set(CPACK_STRIP_FILES ON)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
endif()
set(CPACK_PRE_BUILD_SCRIPTS ${packaging}/deb/compress.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE https://github.com/probe/probe)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "health checks of services, in one small program
Knows, truthfully and at once, whether a service can be used: asks MongoDB,
Redis, PostgreSQL, MySQL, HTTP, gRPC, DNS and TCP servers, processes and
commands on a schedule, and answers by exit code, Unix socket, HTTP and
Prometheus metrics.
.
This package has the agent as a systemd service; its configuration is
/etc/probe/probe.ini.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${packaging}/deb/postinst ${packaging}/deb/prerm
  ${packaging}/deb/postrm ${packaging}/deb/conffiles)
include(CPack)
