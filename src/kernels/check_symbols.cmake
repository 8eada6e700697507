# cmake -DNM=<nm> -DOBJECTS=<object files> -P check_symbols.cmake
# Fails when a file that was compiled with instruction-set flags defines a function that the linker can see. It might
# keep that copy for files that run on every processor.
set(checked 0)
foreach(object ${OBJECTS})
  if(object MATCHES "\\.dir/(\\./)?(avx2|avx512_vnni|avx512_vbmi|amx|neon)/")
    execute_process(COMMAND ${NM} -C --defined-only ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[0-9a-f]+ [TWVu] [^\n]*" shared "${symbols}")
    if(shared)
      message(FATAL_ERROR "${object} shares functions: ${shared}")
    endif()
    math(EXPR checked "${checked} + 1")
  endif()
endforeach()
if(checked EQUAL 0)
  message(FATAL_ERROR "no object of an instruction set was found in: ${OBJECTS}")
endif()
