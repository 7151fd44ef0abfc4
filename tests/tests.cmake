# One executable per tests/test_*.c; its exit code is the verdict. A file named
# test_*_f64.c is linked against the executor in double.
# SPDX-License-Identifier: GPL-3.0-or-later
enable_testing()
set(HAWQ_TEST_DATA ${PROJECT_SOURCE_DIR}/../shared/data CACHE PATH
    "real networks, data and reference numbers; tests skip without")
file(GLOB tests CONFIGURE_DEPENDS tests/test_*.c)
foreach(file ${tests})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  set(libraries hawq_cli)
  if(name MATCHES "_f64$")
    set(libraries hawq_train_f64 hawq_hessian_f64 hawq_quant_f64 hawq_load_f64
        hawq_ops_f64 hawq_graph_f64)
  endif()
  foreach(library ${libraries})
    if(TARGET ${library})
      target_link_libraries(${name} PRIVATE ${library})
    endif()
  endforeach()
  target_link_libraries(${name} PRIVATE PkgConfig::CJSON m)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT
    "HAWQ_TEST_DATA=${HAWQ_TEST_DATA};HAWQ_SOURCE=${PROJECT_SOURCE_DIR};HAWQ_BUILD=${PROJECT_BINARY_DIR}"
    SKIP_RETURN_CODE 77)
  # Labels: `threads` is worth a run under the thread sanitizer; `slow` reads
  # real networks or runs whole programs for minutes and is left out under the
  # others.
  file(STRINGS ${file} uses_threads REGEX "hawq_threads_new" LIMIT_COUNT 1)
  if((uses_threads AND NOT name STREQUAL test_accuracy) OR name MATCHES "^test_(cli|whole_way)$")
    set_property(TEST ${name} APPEND PROPERTY LABELS threads)
    list(APPEND thread_tests ${name})
  endif()
  if(name MATCHES "^test_(reference|accuracy|exactness|activations|candidates)"
     OR name MATCHES "^test_(c_source|memory|quadratic|joint|rewrite_cli)")
    set_property(TEST ${name} APPEND PROPERTY LABELS slow)
  endif()
endforeach()
# What the double program writes, the float program compares with.
set_tests_properties(test_exactness_f64 PROPERTIES FIXTURES_SETUP exactness)
set_tests_properties(test_exactness PROPERTIES FIXTURES_REQUIRED exactness)

foreach(name ${program_names}) # run by both
  add_dependencies(test_cli ${name})
  add_dependencies(test_whole_way ${name})
  add_dependencies(test_memory ${name})
  add_dependencies(test_interrupt ${name})
  add_dependencies(test_gate ${name})
  add_dependencies(test_inputs_cli ${name})
endforeach()
add_custom_target(thread_tests DEPENDS ${thread_tests})

# test_kernels once more, with the AVX-512 kernels emulated: its object takes the
# place of the library's. SIMDe's names and clang's own headers exclude each other.
include(CheckIncludeFile)
check_include_file(simde/x86/avx512/dpbusd.h HAWQ_SIMDE)
if(HAWQ_SIMDE AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND
   CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_executable(avx512_emulated tests/test_kernels.c tests/avx512_emulated.c)
  set_source_files_properties(tests/avx512_emulated.c PROPERTIES COMPILE_OPTIONS "-w;-Wno-psabi;-O1;-mavx2;-mfma")
  target_link_libraries(avx512_emulated PRIVATE hawq_kernels m)
  add_test(NAME avx512_emulated COMMAND avx512_emulated)
else()
  add_test(NAME avx512_emulated COMMAND ${CMAKE_COMMAND} -E echo "skipped: no SIMDe, or another compiler than gcc")
  set_tests_properties(avx512_emulated PROPERTIES SKIP_REGULAR_EXPRESSION "^skipped")
endif()

# And with AVX-VNNI's one instruction emulated on AVX2.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_executable(avxvnni_emulated tests/test_kernels.c tests/avxvnni_emulated.c)
  set_source_files_properties(tests/avxvnni_emulated.c PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
  target_link_libraries(avxvnni_emulated PRIVATE hawq_kernels m)
  add_test(NAME avxvnni_emulated COMMAND avxvnni_emulated)
endif()

# And those for aarch64, cross-compiled and run by an emulator.
add_test(NAME neon COMMAND ${PROJECT_SOURCE_DIR}/tests/neon.sh ${PROJECT_BINARY_DIR})
set_tests_properties(neon PROPERTIES SKIP_RETURN_CODE 77 LABELS slow
  ENVIRONMENT "HAWQ_SOURCE=${PROJECT_SOURCE_DIR}")

# Each header compiles alone, and twice.
file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
     src/*/*.h src/cli/*/*.h hessian/*.h search/*.h results/*.h kernels/*.h)
list(FILTER headers EXCLUDE REGEX "_body\\.h$") # a template, not a header
foreach(header ${headers})
  string(MAKE_C_IDENTIFIER ${header} file)
  file(CONFIGURE OUTPUT alone/${file}.c CONTENT
       "#include \"${header}\"\n#include \"${header}\"\ntypedef int alone;\n")
  list(APPEND alone ${PROJECT_BINARY_DIR}/alone/${file}.c)
endforeach()
add_library(headers_alone OBJECT ${alone})
target_include_directories(headers_alone SYSTEM PRIVATE ${CBC_INCLUDE_DIRS})

# Benchmarks are programs, not tests. The anchor is built where it is installed.
if(TARGET hawq_kernels)
  add_executable(bench_kernels tests/bench_kernels.c tests/bench_anchor.c)
  target_link_libraries(bench_kernels PRIVATE hawq_kernels)
  find_library(HAWQ_ANCHOR_LIBRARY dnnl)
  find_package(OpenMP COMPONENTS C QUIET)
  if(HAWQ_ANCHOR_LIBRARY AND OpenMP_C_FOUND)
    target_compile_definitions(bench_kernels PRIVATE HAWQ_ANCHOR)
    target_link_libraries(bench_kernels PRIVATE ${HAWQ_ANCHOR_LIBRARY} OpenMP::OpenMP_C)
  endif()
endif()

if(TARGET hawq_graph)
  add_executable(bench_convolve tests/bench_convolve.c)
  target_link_libraries(bench_convolve PRIVATE hawq_graph)
endif()

if(TARGET hawq_load)
  add_executable(bench_hvp tests/bench_hvp.c)
  target_link_libraries(bench_hvp PRIVATE hawq_load hawq_ops hawq_graph hawq_kernels)
endif()

# What is installed and packed; slow, for it is of no interest to a sanitizer.
add_test(NAME install COMMAND ${PROJECT_SOURCE_DIR}/tests/install.sh
         ${PROJECT_BINARY_DIR} ${PROJECT_VERSION})
set_tests_properties(install PROPERTIES SKIP_RETURN_CODE 77 LABELS slow
  ENVIRONMENT "HAWQ_SOURCE=${PROJECT_SOURCE_DIR}")

if(TARGET hawq_deploy)
  add_executable(bench_network tests/bench_network.c)
  target_link_libraries(bench_network PRIVATE hawq_deploy hawq_load hawq_quant
                        hawq_ops hawq_graph hawq_kernels)
endif()

# Samples over ranks: the same bytes. Open MPI is told to run more ranks than
# there are processors, and also as root.
if(HAWQ_MPI)
  add_test(NAME ranks COMMAND ${PROJECT_SOURCE_DIR}/tests/ranks.sh
           ${PROJECT_BINARY_DIR} ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG})
  set_tests_properties(ranks PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT
    "HAWQ_SOURCE=${PROJECT_SOURCE_DIR};OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;OMPI_MCA_rmaps_base_oversubscribe=1")
endif()

if(TARGET hawq_search)
  add_executable(bench_search tests/bench_search.c)
  target_link_libraries(bench_search PRIVATE hawq_search hawq_base m)
  if(TARGET hawq_cli)
    add_executable(bench_growth tests/bench_growth.c)
    target_link_libraries(bench_growth PRIVATE hawq_cli m)
  endif()
endif()

# Any bytes at all as input: each tests/fuzz_x.c replays seeds and reproducers
# as an ordinary test. With HAWQ_FUZZ, for which the compiler is clang, they are
# fuzzers instead and run for HAWQ_FUZZ_SECONDS; a finding lies in the build
# folder, as found/x-crash-..., and belongs into tests/corpus/x.
set(HAWQ_FUZZ_SECONDS 8 CACHE STRING "time of each fuzzer")
set(fuzz_onnx_more ${PROJECT_SOURCE_DIR}/tests/data/onnx)
set(fuzz_npz_more ${PROJECT_SOURCE_DIR}/tests/data/dataset)
set(fuzz_problem_more ${PROJECT_SOURCE_DIR}/tests/data/search)
file(GLOB fuzzers CONFIGURE_DEPENDS tests/fuzz_*.c)
list(REMOVE_ITEM fuzzers ${PROJECT_SOURCE_DIR}/tests/fuzz_main.c)
foreach(file ${fuzzers})
  get_filename_component(name ${file} NAME_WE)
  string(REPLACE fuzz_ "" format ${name})
  set(seeds ${PROJECT_SOURCE_DIR}/tests/corpus/${format} ${${name}_more})
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE hawq_load hawq_search)
  list(APPEND fuzz_targets ${name})
  if(HAWQ_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/found/${format})
    add_test(NAME ${name} COMMAND ${name} -seed=1 -timeout=60 -rss_limit_mb=2048
             -max_len=8192 -max_total_time=${HAWQ_FUZZ_SECONDS} -verbosity=0
             -print_final_stats=1 -artifact_prefix=found/${format}-
             found/${format} ${seeds})
    math(EXPR most "${HAWQ_FUZZ_SECONDS} + 120")
    set_tests_properties(${name} PROPERTIES TIMEOUT ${most} LABELS fuzz
                         WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
  else()
    target_sources(${name} PRIVATE tests/fuzz_main.c)
    add_test(NAME ${name} COMMAND ${name} ${seeds})
    set_tests_properties(${name} PROPERTIES TIMEOUT 60)
  endif()
endforeach()
add_custom_target(fuzz_targets DEPENDS ${fuzz_targets})
