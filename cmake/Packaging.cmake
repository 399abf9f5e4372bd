# What packages are made of (./dev package): the program as a system's own loader starts it, the
# archive's launcher, the manual page and the shells' completions, which the program itself prints.
include(GNUInstallDirs)

if(ANYCLAUDE_PRIVATE_ROOT) # anyclaude itself has the root's loader and libraries written in it
  add_executable(anyclaude_plain EXCLUDE_FROM_ALL src/main.cpp)
  target_link_libraries(anyclaude_plain PRIVATE anyclaude_commands)
  set_target_properties(anyclaude_plain PROPERTIES
    OUTPUT_NAME anyclaude RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/package/bin)
  set(plain anyclaude_plain)
else()
  set(plain anyclaude)
endif()

add_executable(anyclaude_launcher EXCLUDE_FROM_ALL packaging/launcher.cpp)
set_target_properties(anyclaude_launcher PROPERTIES
  OUTPUT_NAME anyclaude RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/package/launcher)
target_link_options(anyclaude_launcher PRIVATE -static -s)

set(texts ${CMAKE_BINARY_DIR}/package/texts)
set(printed)
function(anyclaude_prints file)
  add_custom_command(OUTPUT ${texts}/${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${texts}
    COMMAND $<TARGET_FILE:anyclaude> ${ARGN} > ${texts}/${file}
    DEPENDS anyclaude VERBATIM)
  set(printed ${printed} ${texts}/${file} PARENT_SCOPE)
endfunction()
anyclaude_prints(anyclaude.1 manual)
anyclaude_prints(anyclaude.bash completions bash)
anyclaude_prints(_anyclaude completions zsh)
anyclaude_prints(anyclaude.fish completions fish)

add_custom_target(package_files DEPENDS ${plain} anyclaude_launcher ${printed})

install(PROGRAMS $<TARGET_FILE:${plain}> TYPE BIN)
install(FILES ${texts}/anyclaude.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${texts}/anyclaude.bash RENAME anyclaude
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${texts}/_anyclaude DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${texts}/anyclaude.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES packaging/anyclaude.service DESTINATION lib/systemd/user)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The anyclaude authors <anyclaude@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/package)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Claude Code on a model of your own, with no prompt computed twice")
set(CPACK_PACKAGE_DESCRIPTION "Speaks the Anthropic Messages API, runs any GGUF model in its own engine, \
and keeps what was computed of every prefix: between turns, sessions, terminals and restarts.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # dpkg-shlibdeps reads the Depends from the program itself
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
include(CPack)
