/* scope.h -- the path of the module that a node was exported from, as its
 * author knows it: "layer1.0.conv1".
 *
 * torch.export writes it as metadata of the node, pkg.torch.onnx.name_scopes:
 *     ['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_1']
 * with the operation last. The older exporter has it in the node's name, where
 * a child of a list or sequence repeats its parent's name:
 *     /layer1/layer1.0/conv1/Conv
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SCOPE_H
#define HAWQ_SCOPE_H
#include "src/base/arena.h"

/* The path in such a list, or in such a name; *out is NULL if there is none.
 * The path lives in the arena. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_scope_of_list(const char  *list,
                                              hawq_arena  *arena,
                                              const char **out);
HAWQ_NODISCARD hawq_status hawq_scope_of_name(const char  *name,
                                              hawq_arena  *arena,
                                              const char **out);

#endif
