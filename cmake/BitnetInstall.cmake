# What is installed: the program, one library made of all rooms but cli, the public headers, a CMake package, and the
# default model.
include(CMakePackageConfigHelpers)

get_property(rooms GLOBAL PROPERTY BITNET_ROOMS)
list(REMOVE_ITEM rooms bitnet_cli)
list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE room_objects)
add_library(bitnet STATIC ${room_objects})
add_library(bitnet::bitnet ALIAS bitnet)
set_target_properties(bitnet PROPERTIES LINKER_LANGUAGE CXX)
target_compile_features(bitnet INTERFACE cxx_std_20)
target_include_directories(bitnet INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# The libraries that bitnetConfig.cmake.in finds for the user.
target_link_libraries(bitnet PRIVATE fmt::fmt simdjson::simdjson PkgConfig::PCRE2 PkgConfig::UTF8PROC Threads::Threads)
if(BITNET_HUB)
  target_link_libraries(bitnet PRIVATE ${CMAKE_DL_LIBS})
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bitnet)
install(TARGETS bitnet EXPORT bitnetTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT bitnetTargets NAMESPACE bitnet:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/bitnetConfig.cmake.in ${PROJECT_BINARY_DIR}/bitnetConfig.cmake
                              INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bitnetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bitnetConfig.cmake ${PROJECT_BINARY_DIR}/bitnetConfigVersion.cmake
        DESTINATION ${package_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/bitnet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/models/fairy-bitnet DESTINATION ${CMAKE_INSTALL_DATADIR}/bitnet/models)
if(TARGET bitnet_cli)
  install(TARGETS bitnet_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
