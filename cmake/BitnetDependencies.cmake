# What the project takes from others, and for what. docs/adr/0001-libraries.md says why each is worth it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
find_package(CLI11 REQUIRED)
# GNU readline is GPL-3: a program built with it may be passed on under that licence only. Without it, chat uses the
# terminal's own line editing. The library never links it.
option(BITNET_READLINE "Line editing with GNU readline in 'bitnet chat'" ON)
if(BITNET_READLINE)
  pkg_check_modules(READLINE REQUIRED IMPORTED_TARGET readline)
endif()
# Without it, models cannot be pulled from the Hugging Face hub, and pull() says so.
option(BITNET_HUB "Download models by id (libcurl, OpenSSL)" ON)
if(BITNET_HUB)
  find_package(CURL 7.85 REQUIRED)
  find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto SSL)  # linked with tests alone
endif()
if(BUILD_TESTING)
  include(GoogleTest)
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
  find_package(ZLIB REQUIRED)
endif()
