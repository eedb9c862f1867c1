# run.cmake - replay the stored corpus, then look for something new; findings stay in SCRATCH
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
execute_process(COMMAND ${PROGRAM} -runs=0 ${CORPUS} WORKING_DIRECTORY ${SCRATCH} RESULT_VARIABLE replayed)
if(NOT replayed EQUAL 0)
    message(FATAL_ERROR "the stored corpus ${CORPUS} fails")
endif()
file(MAKE_DIRECTORY ${SCRATCH}/new)
execute_process(COMMAND ${PROGRAM} -max_total_time=${SECONDS} -max_len=8192 -print_final_stats=0 -rss_limit_mb=2048
    ${SCRATCH}/new ${CORPUS} WORKING_DIRECTORY ${SCRATCH} RESULT_VARIABLE searched)
if(NOT searched EQUAL 0)
    message(FATAL_ERROR "found something: see ${SCRATCH}")
endif()
