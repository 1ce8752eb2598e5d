/* exec's part of the conformance suite: its checks stand in a configuration, so all of it is in
 * ways.py. */
#include "conformance.h"

const struct conformance_type conformance_exec = {.name = "exec"};
