# Language, warnings and sanitizers, for our own code only (dependencies are SYSTEM).
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF) # we have none, and the scan costs a process per file
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(ANYCLAUDE_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(anyclaude_options INTERFACE)
target_compile_options(anyclaude_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wconversion
  -Wno-sign-conversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU") # Clang, of the fuzz preset, warns of other things
  target_compile_options(anyclaude_options INTERFACE -Werror)
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A source that another one includes looks to GCC like a header.
  target_compile_options(anyclaude_options INTERFACE -Wno-subobject-linkage)
endif()
if(ANYCLAUDE_SANITIZE)
  target_compile_options(anyclaude_options INTERFACE
    -fsanitize=${ANYCLAUDE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(anyclaude_options INTERFACE -fsanitize=${ANYCLAUDE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's flow analysis warns about code that the sanitizers insert, and -Wtsan about fences that
    # ThreadSanitizer does not follow, in the standard library's own headers.
    target_compile_options(anyclaude_options INTERFACE -Wno-maybe-uninitialized -Wno-tsan)
  endif()
endif()
