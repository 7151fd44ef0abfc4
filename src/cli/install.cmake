# What `cmake --install` and CPack put where. Man pages and completions are
# printed by the programs themselves, from the tables that parse their options;
# hawq.7 is what is common to them.
# SPDX-License-Identifier: GPL-3.0-or-later
include(GNUInstallDirs)
install(TARGETS ${program_names} RUNTIME)
foreach(name ${program_names})
  set(page ${PROJECT_BINARY_DIR}/man/${name}.1)
  set(completion ${PROJECT_BINARY_DIR}/completions/${name})
  add_custom_command(OUTPUT ${page} ${completion}
    COMMAND ${CMAKE_COMMAND} -E make_directory man completions
    COMMAND ${name} --manual man > ${page}
    COMMAND ${name} --manual bash > ${completion}
    DEPENDS ${name} WORKING_DIRECTORY ${PROJECT_BINARY_DIR} VERBATIM)
  list(APPEND manual ${page} ${completion})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${completion}
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endforeach()
add_custom_target(installable ALL DEPENDS ${program_names} ${manual})
file(GLOB schemas CONFIGURE_DEPENDS results/schema*.sql)
install(FILES ${schemas} DESTINATION ${CMAKE_INSTALL_DATADIR}/hawq-c)
install(FILES src/cli/hawq.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

# The package: what is linked is found by dpkg-shlibdeps; what the programs load
# when they need it is named here, as mm.c and cbc.c do.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME hawq-c)
set(CPACK_PACKAGE_CONTACT "HAWQ-C <hawq-c@packages.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
    "mixed-precision quantization of ONNX networks")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION math)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
    "libopenblas0-pthread | libopenblas0, coinor-libcbc3")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "sqlite3, dataset-fashion-mnist")
include(CPack)
