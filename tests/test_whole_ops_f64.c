/* test_whole_ops_f64.c -- operators on integers and truth values that are
 * computed from the data: token ids, masks. Claims: they yield hand-computed
 * values, alone and with integer constants; gathering by them satisfies the
 * identities of op_harness.h in the table; their results are known to be
 * integers, so that no one rounds them; what does not fit is refused with a
 * sentence.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/op_harness.h"

static void gathering(void) {
    VALUE(SHAPE(3, 2), VALUES(4, 5, 0, 1, 4, 5), "Gather",
          .in = {WEIGHT(3, 2), WHOLE((3), 2, 0, -1)});
    VALUE(SHAPE(2, 2, 1), VALUES(1, 0, 4, 3), "Gather",
          .in = {ACT(2, 3), WHOLE((2, 1), 1, 0)}, .attr = {A_INT("axis", 1)});
    VALUE(SHAPE(2), VALUES(7, 5), "Gather",
          .in = {INTS(5, 6, 7), WHOLE((2), 2, 0)});
    VALUE(SHAPE(2, 2), VALUES(0, 1, 4, 5), "Gather", /* the nearest there is */
          .in = {ACT(3, 2), WHOLE((2), -9, 9)});
    IDENTITIES("Gather",
               .in = {WEIGHT(4, 3), WHOLE((2, 3), 1, 0, 3, 1, 1, -1)});
    IDENTITIES("Gather", .in = {ACT(2, 4, 3), WHOLE((3), 2, 0, 2)},
               .attr = {A_INT("axis", 1)});
    FAILS(EFORMAT, "floating point, expected integers", "Gather",
          .in = {ACT(3, 2), ACT(2)});
    FAILS(EFORMAT, "nothing to read", "Gather",
          .in = {ACT(0, 2), WHOLE((1), 0)});
}

static void casting(void) {
    VALUE(SHAPE(4), VALUES(-1, 0, 0, 2), "Cast",
          .in = {{.kind = OP_ACT,
                  .shape = {1, {4}},
                  .values = (const double[]){-1.75, -0.5, 0.5, 2.25}}},
          .attr = {A_INT("to", 7)});
    VALUE(SHAPE(3), VALUES(1, 0, 1), "Cast", .in = {WHOLE((3), 5, 0, -2)},
          .attr = {A_INT("to", 9)});
    VALUE(SHAPE(2), VALUES(5, -3), "Cast", .in = {WHOLE((2), 5, -3)},
          .attr = {A_INT("to", 1)});
    IDENTITIES("Cast", .in = {ACT(2, 3)}, .attr = {A_INT("to", 7)});
    IDENTITIES("Cast", .in = {ACT(2, 3)}, .attr = {A_INT("to", 9)});
}

static void arithmetic(void) {
    VALUE(SHAPE(3), VALUES(6, 7, 5), "Add",
          .in = {WHOLE((3), 1, 2, 0), INTS(5)});
    VALUE(SHAPE(3), VALUES(4, 3, 5), "Sub",
          .in = {INTS(5), WHOLE((3), 1, 2, 0)});
    VALUE(SHAPE(4), VALUES(2, -2, 0, 0), "Div",
          .in = {WHOLE((4), 7, -7, 2, -2), INTS(3)});
    VALUE(SHAPE(2), VALUES(0, 3), "Div",
          .in = {WHOLE((2), 7, 7), WHOLE((2), 0, 2)});
    VALUE(SHAPE(3), VALUES(2, 5, 7), "Clip",
          .in = {WHOLE((3), 1, 5, 9), INT_SCALAR(2), INT_SCALAR(7)});
    VALUE(SHAPE(3), VALUES(1, 4, 4), "Min",
          .in = {WHOLE((3), 1, 5, 9), INTS(4)});
    VALUE(SHAPE(3), VALUES(4, 5, 9), "Max",
          .in = {INTS(4), WHOLE((3), 1, 5, 9)});
    FAILS(EFORMAT, "different types", "Max", .in = {INTS(4), ACT(1)});
    VALUE(SHAPE(2), VALUES(1, 0), "Equal", .in = {WHOLE((2), 3, 4), INTS(3)});
    VALUE(SHAPE(2), VALUES(0, 1), "Less", .in = {INTS(3), WHOLE((2), 3, 4)});
    VALUE(SHAPE(3), VALUES(7, 2, 7), "Where",
          .in = {WHOLE((3), 1, 0, 1), INTS(7), WHOLE((3), 1, 2, 3)});
    VALUE(SHAPE(2), VALUES(8, 9), "Where",
          .in = {WHOLE((2), 1, 0), INTS(8), INTS(9)});
    VALUE(SHAPE(4), VALUES(1, 2, 8, 9), "Concat",
          .in = {WHOLE((2), 1, 2), INTS(8, 9)}, .attr = {A_INT("axis", 0)});
    FAILS(EFORMAT, "one operand is integer", "Add", .in = {ACT(2), INTS(1)});
    FAILS(EFORMAT, "different types", "Where",
          .in = {WHOLE((1), 1), ACT(2), INTS(1)});
    FAILS(EFORMAT, "does not fit", "Concat", .in = {ACT(2), INTS(8, 9)},
          .attr = {A_INT("axis", 0)});
}

/* What is exact in double is not in float: the sentence is tested there. */
static void bounds(void) {
    FAILS(EUNSUPPORTED, "exactly up to 16777216", "Equal",
          .in = {WHOLE((1), 1), INTS(((int64_t)1 << 53) + 1)});
    VALUE(SHAPE(1), VALUES(1), "Less", .in = {WHOLE((1), 1), INTS(INT64_MAX)});
}

/* Is the result of the case integer? */
static bool is_whole(const op_case *c) {
    op_run r;
    bool   whole = CHECK_OK(op_open(&r, c)) && r.out[0]->whole;
    op_close(&r);
    return whole;
}

static void kinds(void) {
    CHECK(is_whole(&(op_case){"Add", .in = {WHOLE((1), 1), INTS(2)}}));
    CHECK(is_whole(&(op_case){"Reshape", .in = {WHOLE((1), 1), INTS(1, 1)}}));
    CHECK(is_whole(&(op_case){"Equal", .in = {ACT(1), FIXED(1)}}));
    CHECK(is_whole(&(op_case){"Gather", .in = {INTS(4), WHOLE((1), 0)}}));
    CHECK(is_whole(&(op_case){"Gather", .in = {WHOLE((2), 1, 2), INTS(0)}}));
    CHECK(
        is_whole(&(op_case){"Cast", .in = {ACT(1)}, .attr = {A_INT("to", 7)}}));
    CHECK(!is_whole(
        &(op_case){"Cast", .in = {WHOLE((1), 1)}, .attr = {A_INT("to", 1)}}));
    CHECK(!is_whole(&(op_case){"Gather", .in = {WEIGHT(2, 2), WHOLE((1), 0)}}));
    CHECK(!is_whole(&(op_case){"Mul", .in = {ACT(1), FIXED(1)}}));
    CHECK(!is_whole(
        &(op_case){"Where", .in = {WHOLE((1), 1), ACT(1), FIXED(1)}}));
}

int main(void) {
    gathering();
    casting();
    arithmetic();
    bounds();
    kinds();
    DONE();
}
