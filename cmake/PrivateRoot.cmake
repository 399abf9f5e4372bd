# A program linked against a private Debian root also runs outside it, on a host with an older libc:
# its interpreter and its library path are set in the program itself. Never through an exported
# LD_LIBRARY_PATH, which the programs that ours starts would inherit.
set(ANYCLAUDE_PRIVATE_ROOT "" CACHE PATH "Debian root whose loader and libraries the programs use")

# DT_RPATH rather than DT_RUNPATH, because the path must also serve the libraries' own dependencies
# and the CPU backends that libggml opens. libllama has a DT_RUNPATH of its own, which makes the
# loader ignore ours for what libllama needs; so every program names those libraries itself, too
# (a library that is already loaded is not searched for).
function(anyclaude_run_on_host target)
  if(NOT ANYCLAUDE_PRIVATE_ROOT)
    return()
  endif()
  set(libraries ${ANYCLAUDE_PRIVATE_ROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE})
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
    set(loader ${libraries}/ld-linux-aarch64.so.1)
  else()
    set(loader ${libraries}/ld-linux-x86-64.so.2)
  endif()
  target_link_options(${target} PRIVATE
    -Wl,--dynamic-linker=${loader} -Wl,--disable-new-dtags -Wl,-rpath,${libraries}
    -Wl,--no-as-needed)
endfunction()
