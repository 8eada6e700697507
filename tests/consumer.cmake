# Installs the build in BINARY_DIR, builds examples/consumer against it, and runs it with the installed model.
set(work ${BINARY_DIR}/consumer)
set(prefix ${work}/prefix)
file(REMOVE_RECURSE ${work})
function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "status ${status} of: ${ARGN}\n${output}")
  endif()
  set(output ${output} PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BINARY_DIR} --prefix ${prefix})
run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/examples/consumer -B ${work}/build -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/story ${prefix}/${DATADIR}/bitnet/models/fairy-bitnet)
# The first words of the same continuation by a float64 implementation of the model.
if(NOT output MATCHES "^Once upon a time there was a man who had three sons")
  message(FATAL_ERROR "the consumer printed:\n${output}")
endif()
