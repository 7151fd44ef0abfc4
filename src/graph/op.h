/* op.h -- tensors, nodes and what an operator is.
 *
 * Letters: n images, c channels, h height, w width, k kernel, o output
 * channels. Tensors are dense, row-major, in ONNX order (NCHW).
 *
 * A tensor has up to four planes (Pearlmutter 1994, "Fast exact multiplication
 * by the Hessian"; names as in Griewank and Walther 2008):
 *     val     x                  bar     dL/dx
 *     dot     d/dt x(w + t v)    bardot  d/dt dL/dx (w + t v)
 * and an operator is the four functions that carry them:
 *     forward          val(out)  from val(in)
 *     tangent          dot(out)  from val, dot(in)
 *     adjoint          bar(in)  += from val, bar(out)
 *     adjoint_tangent  bardot(in) += from val, bar(out), dot(in), bardot(out)
 * dot and bardot exist once per lane: one lane, one probe direction v. All
 * lanes share val and bar.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_OP_H
#define HAWQ_OP_H
#include "src/base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The whole executor is written once for a scalar type; the tests build it a
 * second time with -DHAWQ_REAL=double as its own reference. */
#ifndef HAWQ_REAL
#define HAWQ_REAL float
#endif
typedef HAWQ_REAL real;

enum { HAWQ_MAX_RANK = 8 };

typedef struct hawq_shape {
    int     rank;
    int64_t dim[HAWQ_MAX_RANK];
} hawq_shape;

typedef enum hawq_dtype { HAWQ_FLOAT, HAWQ_INT } hawq_dtype; /* real, int64 */

typedef enum hawq_role {
    HAWQ_INPUT,     /* fed by the caller */
    HAWQ_CONSTANT,  /* known at load: weights, biases, indices, shapes */
    HAWQ_ACTIVATION /* computed by a node */
} hawq_role;

/* A float constant as a quantized file has it: value v of the tensor, in
 * row-major order, is scale[c] times value[v], c being its index along `axis`.
 */
typedef struct hawq_integers {
    const int32_t *value;
    const float   *scale;
    size_t         n_scales; /* the axis' length, or 1: one for all */
    int            axis;
    int            bits; /* of a value in the file */
} hawq_integers;

/* The values that an activation takes in a quantized file:
 * scale (q - zero), q in 0 .. high. */
typedef struct hawq_grid {
    float   scale; /* > 0 */
    uint8_t zero, high;
} hawq_grid;

typedef struct hawq_tensor {
    const char *name;
    int         id; /* index into graph->tensor and into the planes */
    hawq_role   role;
    hawq_dtype  dtype;
    hawq_shape  shape;
    size_t      n; /* elements */
    /* It holds integers or truth values that are carried as reals, exactly up
     * to 2^24 (2^53 in a double build): an input of such a type, or what is
     * computed from one. They are never rounded to a grid. */
    bool  whole;
    real *data;                 /* value of a float constant, and of an integer
                                   one that meets run-time integers */
    int64_t          *ints;     /* value of an integer constant, else NULL */
    struct hawq_node *producer; /* NULL for inputs and constants */
    int               n_uses;   /* node inputs that read it, after finish */
    /* Of a float constant: the constant of the file whose numbers it has, in
     * another shape or order, or scaled by folding; itself if it stands in the
     * file; NULL if it was computed from several. */
    const struct hawq_tensor *origin;
    int axis[HAWQ_MAX_RANK]; /* of the origin, for each axis; -1: none */
    /* What a quantized file says of it, or NULL. No sweep looks at them: a
     * constant has its numbers all the same. */
    const hawq_integers *integers;
    const hawq_grid     *grid;
} hawq_tensor;

/* An ONNX attribute, as found in the file. */
typedef struct hawq_attr {
    const char *name;
    enum {
        HAWQ_ATTR_INT,
        HAWQ_ATTR_FLOAT,
        HAWQ_ATTR_STRING,
        HAWQ_ATTR_INTS,
        HAWQ_ATTR_FLOATS,
        HAWQ_ATTR_TENSOR
    } type;
    int64_t        i; /* INT; of a TENSOR in a file its type (hawq_number) */
    double         f;
    const char    *s;      /* STRING */
    size_t         n;      /* length of ints or floats */
    const int64_t *ints;   /* INTS */
    const double  *floats; /* FLOATS */
    hawq_tensor   *tensor; /* TENSOR: role CONSTANT */
} hawq_attr;

typedef struct hawq_node {
    const char *name;  /* as in the file; never empty */
    const char *scope; /* path of the module it was exported from, or NULL */
    const char *layer; /* what the layer of its weight is called; NULL: what
                          layers.c makes of the file's names */
    const struct hawq_op *op;
    int                   n_in, n_out;
    hawq_tensor         **in;  /* in[i] is NULL for an omitted optional */
    hawq_tensor         **out; /* out[0] always; later ones may be NULL */
    int                   n_attr;
    const hawq_attr      *attr;
    int                   opset;        /* version of the default domain */
    void                 *param;        /* what `shape` worked out, else NULL */
    size_t                scratch;      /* reals wanted in planes.scratch ... */
    size_t                scratch_lane; /* ... plus this many per lane */
} hawq_node;

/* Pointers to the planes of every tensor, by tensor id. A NULL pointer means
 * the plane is identically zero (as an operand) or not wanted (as a result).
 * adjoint_tangent with every `bar` NULL is the Gauss-Newton product. */
typedef struct hawq_planes {
    real  **val, **bar;
    int     lanes;
    real ***dot, ***bardot; /* [lane][id] */
    real   *scratch;        /* scratch + lanes * scratch_lane reals, dirty */
    bool    exact;          /* plain sums only: losses will be subtracted */
} hawq_planes;

typedef void hawq_sweep_fn(const hawq_node *node, const hawq_planes *planes);

typedef struct hawq_op {
    const char *name;           /* ONNX op_type */
    const char *attributes;     /* the ones understood, separated by spaces */
    int         min_in, max_in; /* numbers of inputs accepted */

    /* The result has no values but its operands' and constant ones, moved,
     * repeated or pooled by their maximum: quantized numbers stay what they
     * are. */
    bool moves;
    /* An element of the result depends on the elements at its own place, of
     * inputs of one shape or of single numbers. */
    bool pointwise;
    /* `shape` says whether the result is whole. Else it is where all it reads
     * is. */
    bool retypes;

    /* Checks attributes and input shapes; fills out[i]->shape, ->dtype,
     * node->param, node->scratch. May make out[0] a CONSTANT by setting its
     * role and data or ints (Shape does). All that can fail fails here. */
    hawq_status (*shape)(hawq_node *node, hawq_arena *arena);

    /* Integer constants in, integer constants out (out[i]->ints); NULL if the
     * operator has no use on integers. Float constants use `forward`. */
    hawq_status (*fold)(hawq_node *node, hawq_arena *arena);

    hawq_sweep_fn *forward, *tangent, *adjoint, *adjoint_tangent;
    /* A linear operator leaves tangent and adjoint_tangent NULL: the sweep
     * calls forward and adjoint on the dot and bardot planes of each lane.
     * Its forward must read a NULL operand as zero. */

    bool piecewise_linear; /* adjoint_tangent depends on neither bar nor dot */
    bool homogeneous; /* of one input, element by element, f(sx) = s f(x) for
                         every s > 0 */
} hawq_op;

/* Is it the operator of this ONNX op_type? Only for what one operator alone
 * asks for: what several have in common is a field of hawq_op. */
static inline bool hawq_is(const hawq_node *node, const char *op_type) {
    return strcmp(node->op->name, op_type) == 0;
}

/* Is `name` one of op->attributes? */
bool hawq_op_has_attribute(const hawq_op *op, const char *name);

/* --- reading attributes; a missing one yields the default -------------- */

const hawq_attr *hawq_attr_find(const hawq_node *node, const char *name);
int64_t hawq_attr_int(const hawq_node *node, const char *name, int64_t def);
double  hawq_attr_float(const hawq_node *node, const char *name, double def);
const char *hawq_attr_string(const hawq_node *node, const char *name,
                             const char *def);

/* Fails with one sentence that starts with the node's name and operator. */
hawq_status hawq_node_fail(const hawq_node *node, hawq_status code,
                           const char *format, ...) HAWQ_PRINTF(3, 4);

/* --- shapes ------------------------------------------------------------ */

/* Product of dim[from..to). 1 for an empty range. */
int64_t hawq_shape_count(const hawq_shape *shape, int from, int to);
bool    hawq_shape_equal(const hawq_shape *a, const hawq_shape *b);

/* The dimensions from `from` on that are not 1. */
hawq_shape hawq_shape_squeeze(const hawq_shape *shape, int from);

/* "1x3x32x32" into text (at least 128 bytes); returns text. */
const char *hawq_shape_text(const hawq_shape *shape, char text[128]);

/* axis in [-rank, rank) to [0, rank); -1 if out of range. */
int hawq_axis(int64_t axis, int rank);

/* --- planes ------------------------------------------------------------ */

static inline real *hawq_val(const hawq_planes *p, const hawq_tensor *t) {
    return t ? p->val[t->id] : NULL;
}
static inline real *hawq_bar(const hawq_planes *p, const hawq_tensor *t) {
    return t ? p->bar[t->id] : NULL;
}
static inline real *hawq_dot(const hawq_planes *p, int lane,
                             const hawq_tensor *t) {
    return t ? p->dot[lane][t->id] : NULL;
}
static inline real *hawq_bardot(const hawq_planes *p, int lane,
                                const hawq_tensor *t) {
    return t ? p->bardot[lane][t->id] : NULL;
}

#endif
