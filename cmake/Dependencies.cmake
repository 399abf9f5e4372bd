# Every library comes from the system (packages.txt lists the Debian names); libllama alone can be
# built from a pinned upstream tag where the system has none.
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(ftxui REQUIRED)
find_package(Boost 1.83 REQUIRED CONFIG)
find_package(SQLite3 3.37 REQUIRED) # STRICT tables
if(NOT TARGET SQLite3::SQLite3)     # its name since CMake 4.3
  add_library(SQLite3::SQLite3 ALIAS SQLite::SQLite3)
endif()
find_package(OpenSSL 3 REQUIRED)

# v0.7.0 is the release that Debian's libllama-dev 0.7.0 is made from, and the API we are written
# against. Building it this way has not been tried: it needs github.com at configure time.
option(ANYCLAUDE_FETCH_LLAMA "Build a pinned llama.cpp instead of using the installed libllama" OFF)
set(ANYCLAUDE_LLAMA_TAG "v0.7.0" CACHE STRING "llama.cpp tag that ANYCLAUDE_FETCH_LLAMA builds")

add_library(anyclaude_llama INTERFACE)
if(ANYCLAUDE_FETCH_LLAMA)
  include(FetchContent)
  set(LLAMA_BUILD_COMMON OFF)
  set(LLAMA_BUILD_TESTS OFF)
  set(LLAMA_BUILD_TOOLS OFF)
  set(LLAMA_BUILD_MTMD ON) # images
  set(LLAMA_BUILD_EXAMPLES OFF)
  set(LLAMA_BUILD_SERVER OFF)
  FetchContent_Declare(llama_cpp
    GIT_REPOSITORY https://github.com/ggml-org/llama.cpp.git
    GIT_TAG ${ANYCLAUDE_LLAMA_TAG} GIT_SHALLOW ON SYSTEM)
  FetchContent_MakeAvailable(llama_cpp)
  target_link_libraries(anyclaude_llama INTERFACE llama ggml mtmd)
else()
  find_package(llama 0.7 QUIET)
  if(NOT llama_FOUND)
    message(FATAL_ERROR "libllama >= 0.7 with its headers was not found (Debian: libllama-dev, Homebrew: "
      "llama.cpp). ./dev build brings its own; or configure with -DANYCLAUDE_FETCH_LLAMA=ON.")
  endif()
  find_library(MTMD_LIBRARY mtmd REQUIRED)
  target_link_libraries(anyclaude_llama INTERFACE llama ggml::ggml ggml::ggml-base ${MTMD_LIBRARY})
endif()

# minja is headers without a usable CMake package on every system; one file of ours includes it.
find_path(MINJA_INCLUDE_DIR minja/chat-template.hpp REQUIRED)
add_library(anyclaude_minja INTERFACE)
include(Minja)
target_include_directories(anyclaude_minja SYSTEM INTERFACE ${MINJA_MENDED_DIR})
target_link_libraries(anyclaude_minja INTERFACE nlohmann_json::nlohmann_json)

find_path(BLAKE3_INCLUDE_DIR blake3.h REQUIRED)
find_library(BLAKE3_LIBRARY blake3 REQUIRED)
add_library(anyclaude_blake3 INTERFACE)
target_include_directories(anyclaude_blake3 SYSTEM INTERFACE ${BLAKE3_INCLUDE_DIR})
target_link_libraries(anyclaude_blake3 INTERFACE ${BLAKE3_LIBRARY})
