# A program linked against a private Debian root also runs outside it, on a host with an older libc:
# its interpreter and library path are set in the binary. DT_RPATH rather than DT_RUNPATH, because
# the path must also serve libllama's own dependencies and the CPU backends it opens.
set(ANYCLAUDE_PRIVATE_ROOT "" CACHE PATH "Debian root whose loader and libraries the program uses")

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
    -Wl,--dynamic-linker=${loader} -Wl,--disable-new-dtags -Wl,-rpath,${libraries})
endfunction()
