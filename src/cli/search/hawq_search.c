/* hawq_search.c -- hawq-search: the optimal bits of every layer.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem_json.h"
#include "src/cli/kit/data_options.h"
#include "src/cli/kit/input_options.h"
#include "src/cli/kit/metrics.h"
#include "src/cli/kit/page.h"
#include "src/cli/search/search_answers.h"
#include "src/cli/search/search_front.h"

#include <math.h>
#include <string.h>

static struct {
    const char *problem, *metric, *front_kind, *export_path, *bits, *kernels;
    const char *candidates; /* the same as bits */
    int         solver;     /* index in solver_name; -1: by the problem */
    double      time_limit;
    int         device, first_last, resamples, analysis, batch_size, repeats;
    const char *explain, *plot, *score, *report;
    hawq_texts  exports;
    bool        all_points;
    bool        ignore_activation_loss, weight_only;
    hawq_texts  budgets, pins, groups, ungroups;
} o = {.solver = -1, .resamples = 200, .batch_size = 1, .repeats = 50};

static const char *const solver_name[] = {"dp",     "bnb",      "ilp",  "cross",
                                          "greedy", "monotone", "brute"};

static const hawq_option options[] = {
    HAWQ_OPTION_TEXTS(
        "budget", 'b', &o.budgets, "KIND=VALUE",
        "weight-size=250KiB, weight-size=0.5x, bops=12G, "
        "mean-bits=4.5bits, latency=900us; x: times the uniform "
        "8-bit network. weight-size counts a shared weight once, and 4 bytes "
        "for each weight that no layer has. accuracy-drop=0.01: the least "
        "weight-size "
        "whose predicted loss rise is at most this; "
        "activation-peak=64KiB: a constant of the network, but for layers "
        "in float"),
    HAWQ_OPTION_TEXT("problem", 0, &o.problem, "FILE.json",
                     "solve this problem instead of a model's; nothing is "
                     "stored"),
    HAWQ_OPTION_CHOICE("solver", 0, &o.solver,
                       "dp|bnb|ilp|cross|greedy|monotone|brute",
                       "default: bnb, or cross where layers interact; both "
                       "are exact, and so is dp"),
    HAWQ_OPTION_REAL("time-limit", 0, &o.time_limit, 0, 1e9, "SECONDS",
                     "after which a solver answers with the best it has, its "
                     "bound and gap (default 60)"),
    HAWQ_OPTION_TEXT("metric", 'm', &o.metric, "NAME",
                     "sensitivity to add up (default measured, which is right "
                     "for every candidate; else the first that was analysed of "
                     "hybrid, quadratic, cross, trace, gauss-newton)"),
    HAWQ_OPTION_INT("analysis", 0, &o.analysis, 1, 2147483647, "RUN",
                    "the run of hawq-analyze whose losses to search (default: "
                    "the newest complete one of the model)"),
    HAWQ_OPTION_TEXT("bits", 0, &o.bits, "LIST",
                     "candidates, with bits of activations: "
                     "w8a8,w4a4,k3:gptq; 4 and w4 stand for the narrow grid "
                     "of so many bits or, where the analysis has not that, for "
                     "all its candidates of so many; float: the layer stays in "
                     "float32, 32 bits of both in the report (default: all of "
                     "the analysis with 8-bit activations); layers that read "
                     "one tensor share its width"),
    HAWQ_OPTION_TEXT("candidates", 'c', &o.candidates, "LIST",
                     "the same as --bits"),
    HAWQ_OPTION_FLAG("weight-only", 0, &o.weight_only,
                     "activations stay in float: every candidate that names no "
                     "activation bits is w..a32 (language models)"),
    HAWQ_OPTION_FLAG("ignore-activation-loss", 0, &o.ignore_activation_loss,
                     "allow activations below 8 bits without the rises that "
                     "hawq-analyze --activation-bits measures: the predicted "
                     "loss then has no term for their error"),
    HAWQ_OPTION_TEXTS("pin", 0, &o.pins, "LAYER=CANDIDATE",
                      "candidate, or bits of the codes, of a layer, by its "
                      "name or that of its weight "
                      "or node in the file, or of all whose name matches a "
                      "pattern: 'layer1.*=8'; conv1=float keeps it in float32 "
                      "whether --bits lists that or not. A name goes before "
                      "--first-last, that before a pattern, a longer pattern "
                      "before a shorter one, the later among equals; what "
                      "holds for one layer of a group holds for all of it"),
    HAWQ_OPTION_INT("first-last", 0, &o.first_last, 1, 32, "BITS",
                    "weight bits of the first and the last layer (default: "
                    "free)"),
    HAWQ_OPTION_TEXTS("group", 0, &o.groups, "A,B,...",
                      "layers that get the same bits"),
    HAWQ_OPTION_TEXTS("ungroup", 0, &o.ungroups, "LAYER",
                      "free a layer of the group that its input tensor puts it "
                      "in"),
    HAWQ_OPTION_CHOICE("device", 0, &o.device, "cpu|cuda|opencl",
                       "whose times are the latency (default cpu)"),
    HAWQ_OPTION_TEXT("kernels", 'k', &o.kernels, "NAME",
                     "with which kernels (default: hawq-bench's choice)"),
    HAWQ_OPTION_INT("batch-size", 0, &o.batch_size, 1, 1000000, "N",
                    "images in a timed batch (default 1, on one thread)"),
    HAWQ_OPTION_INT("repeats", 0, &o.repeats, 3, 100000, "N",
                    "timed rounds where times are not known yet (default 50)"),
    HAWQ_OPTION_TEXT("explain", 0, &o.explain, "LAYER",
                     "what each choice for this layer would cost, and the best "
                     "allocation with it"),
    HAWQ_OPTION_INT("resamples", 0, &o.resamples, 0, 100000, "N",
                    "how often the samples of the analysis are resampled and "
                    "searched again, for the confidence (default 200)"),
    HAWQ_OPTION_TEXT("pareto", 0, &o.front_kind, "KIND",
                     "print the complete front of loss against this cost, "
                     "within the budgets; KIND,KIND: against two"),
    HAWQ_OPTION_FLAG("all-points", 0, &o.all_points,
                     "the table of a front has all its points, not 24"),
    HAWQ_REPORT_OPTION(&o.report),
    HAWQ_OPTION_TEXT("plot", 0, &o.plot, "FILE.svg",
                     "draw the front, with uniform allocations and baselines"),
    HAWQ_OPTION_TEXT("export", 0, &o.export_path, "FILE.json",
                     "write the problem and the allocation, in the form of "
                     "--problem"),
    HAWQ_OPTION_TEXTS("export-as", 0, &o.exports, "FORMAT=FILE",
                      "write the allocation for other programs: ort, "
                      "compressed-tensors, llama, hawq, trtexec, openvino, "
                      "modelopt, aimet, litert, esp-ppq or rknn"),
    HAWQ_OPTION_TEXT("score", 0, &o.score, "FILE",
                     "take the allocation of this file instead of searching: "
                     "ours, a map of names to bits, a list of layers and "
                     "their mean bits, or a format of --export-as; stored "
                     "like our own"),
    {0}};

static const hawq_solver *wanted_solver(void) {
    return o.solver < 0 ? NULL : hawq_solver_find(solver_name[o.solver]);
}

static hawq_solve_options solve_options(void) {
    return (hawq_solve_options){.time_limit_s = o.time_limit};
}

/* Where layers interact no program yields all points: optima at limits. */
static hawq_status compute_front(hawq_search *s, hawq_pareto *front) {
    const hawq_solver *solver = wanted_solver();
    hawq_solve_options limits = solve_options();
    hawq_arena        *arena = &s->cli->arena;
    bool               crossed = s->problem->n_interactions > 0;
    if (solver && solver != (crossed ? &hawq_solver_cross : &hawq_solver_dp))
        return hawq_fail(HAWQ_EINVAL, "--pareto: only %s finds %s",
                         crossed ? "cross" : "dp",
                         crossed ? "a front where layers interact" : "a front");
    if (crossed)
        return hawq_pareto_steps(s->problem, s->front_kind, 24, &limits, arena,
                                 front, &s->front_gap);
    return hawq_pareto_front(s->problem, s->front_kind, 0, arena, front);
}

static hawq_status refuse(hawq_search *s, const hawq_solution *found) {
    if (found->state == HAWQ_FOUND_INFEASIBLE)
        return hawq_search_infeasible(s, found);
    HAWQ_TRY(hawq_search_report(s, found, &(hawq_answers){.unresolved = ""}));
    return hawq_fail(HAWQ_EUNSUPPORTED,
                     "solver %s found no allocation within the budgets, "
                     "nor a proof that there is none; use --solver bnb",
                     found->solver->name);
}

/* Writes the files that were asked for, prints, and stores. */
static hawq_status deliver(hawq_search *s, const hawq_solution *found,
                           const hawq_answers *answers) {
    if (!found->choice) return refuse(s, found);
    for (int i = 0; i < o.exports.n; i++)
        HAWQ_TRY(hawq_search_export(s, found, o.exports.item[i]));
    if (o.export_path)
        HAWQ_TRY(hawq_problem_write(o.export_path, s->problem, found));
    HAWQ_TRY(hawq_search_report(s, found, answers));
    return hawq_search_store(s, found);
}

/* The other budgets can be met, but not at so small a loss, or not with so
 * little memory of activations. */
static hawq_status refuse_other(hawq_search *s, hawq_solution *found,
                                double least) {
    found->state = HAWQ_FOUND_INFEASIBLE;
    found->choice = NULL;
    found->objective = found->bound = found->gap = NAN;
    HAWQ_TRY(hawq_search_show_budgets(s, least, found));
    HAWQ_TRY(hawq_search_report(s, found, &(hawq_answers){.unresolved = ""}));
    if (!hawq_search_peak_fits(s))
        return hawq_cli_infeasible(
            s->cli,
            "infeasible: activation-peak is %.0f bytes (%s) an image %s; the "
            "budget is %.0f",
            s->activation_peak,
            hawq_bytes_text(&s->cli->arena, s->activation_peak),
            hawq_search_has_floats(s)
                ? "with the layers in float that must be"
                : "whatever the bits, for activations lie in bytes",
            s->peak_limit);
    return hawq_cli_infeasible(
        s->cli,
        "infeasible: accuracy-drop can be %.6g at the least within the "
        "other budgets, the budget is %.6g",
        least, s->drop_limit);
}

static hawq_status find_allocation(hawq_search *s) {
    hawq_solution      found;
    hawq_answers       answers;
    hawq_solve_options limits = solve_options();
    bool               met = true;
    double             least = 0;
    if (s->drop_limit >= 0) HAWQ_TRY(hawq_search_apply_drop(s, &met, &least));
    HAWQ_TRY(hawq_solve(s->problem, wanted_solver(), &limits, &s->cli->arena,
                        &found));
    HAWQ_TRY(hawq_search_fit_peak(s, wanted_solver(), &limits, &found));
    if ((!met || !hawq_search_peak_fits(s)) && found.choice)
        return refuse_other(s, &found, least);
    HAWQ_TRY(hawq_search_measure(s, wanted_solver(), &limits, &found));
    HAWQ_TRY(hawq_search_answer(s, &found, o.explain, o.resamples, &answers));
    HAWQ_TRY(hawq_search_show_budgets(s, least, &found));
    return deliver(s, &found, &answers);
}

static hawq_status find_front(hawq_search *s) {
    hawq_pareto front;
    if (s->drop_limit >= 0)
        return hawq_fail(HAWQ_EINVAL, "--budget accuracy-drop is for one "
                                      "allocation, not for --pareto");
    if (!hawq_search_peak_fits(s)) return find_allocation(s);
    if (strchr(s->front_kind, ',')) return hawq_search_surface(s);
    HAWQ_TRY(compute_front(s, &front));
    if (!front.n) return hawq_search_no_front(s);
    if (o.plot) HAWQ_TRY(hawq_search_plot(s, &front, o.plot));
    HAWQ_TRY(hawq_search_report_front(s, &front, o.all_points));
    return hawq_search_store_front(s, &front);
}

static hawq_status score(hawq_search *s) {
    hawq_solution found;
    hawq_answers  answers = {.unresolved = ""};
    HAWQ_TRY(hawq_search_score(s, &found));
    HAWQ_TRY(hawq_search_measure(s, NULL, NULL, &found));
    HAWQ_TRY(hawq_search_unresolved(s, &found, &answers.unresolved));
    return deliver(s, &found, &answers);
}

static hawq_status check_outputs(hawq_search *s) {
    hawq_search_output *output;
    int                 n = 0;
    HAWQ_TAKE(output, &s->cli->arena, (size_t)o.exports.n + 3);
    if (o.export_path)
        output[n++] = (hawq_search_output){"--export", o.export_path};
    if (o.report) output[n++] = (hawq_search_output){"--report", o.report};
    if (o.plot) output[n++] = (hawq_search_output){"--plot", o.plot};
    for (int i = 0; i < o.exports.n; i++) {
        output[n].option = "--export-as";
        HAWQ_TRY(
            hawq_search_check_export(s, o.exports.item[i], &output[n++].path));
    }
    return hawq_search_check_outputs(s, n, output);
}

/* Options that exclude each other, before anything is read. */
static hawq_status check_options(hawq_search *s) {
    hawq_metric metric;
    if (o.metric) HAWQ_TRY(hawq_metric_find(o.metric, &metric));
    const char *comma = o.front_kind ? strchr(o.front_kind, ',') : NULL;
    if (comma && strchr(comma + 1, ','))
        return hawq_fail(HAWQ_EINVAL,
                         "--pareto %s: a front takes at most two costs; name "
                         "one, or two with a comma between",
                         o.front_kind);
    if (o.report && o.problem)
        return hawq_fail(HAWQ_EINVAL,
                         "--report is a page about a model; a problem file "
                         "has none");
    if (o.plot && !o.front_kind)
        return hawq_fail(HAWQ_EINVAL, "--plot draws a front: give --pareto");
    if (o.plot && comma)
        return hawq_fail(HAWQ_EINVAL, "--plot draws a front of one cost");
    if (o.front_kind && (o.export_path || o.exports.n))
        return hawq_fail(HAWQ_EINVAL,
                         "--export is for one allocation, not for --pareto");
    if (hawq_data_spec() && (o.front_kind || o.problem))
        return hawq_fail(HAWQ_EINVAL,
                         "--data measures the allocation of a model within "
                         "--budget, and some along the front below it: leave "
                         "out %s",
                         o.problem ? "--problem" : "--pareto");
    if (o.score && (o.budgets.n || o.pins.n || o.groups.n || o.bits ||
                    o.front_kind || o.explain || o.first_last))
        return hawq_fail(HAWQ_EINVAL,
                         "--score takes the file's allocation as it is: no "
                         "budgets, pins, groups, --bits, --explain or "
                         "--pareto with it");
    return check_outputs(s);
}

static hawq_status run(hawq_cli *cli) {
    static const char *const devices[] = {"cpu", "cuda", "opencl"};
    hawq_search              s = {.cli = cli,
                                  .budgets = o.budgets,
                                  .pins = o.pins,
                                  .groups = o.groups,
                                  .ungroups = o.ungroups,
                                  .problem_path = o.problem,
                                  .score_path = o.score,
                                  .metric = o.metric ? o.metric : "measured",
                                  .any_metric = !o.metric,
                                  .device = devices[o.device],
                                  .kernels = o.kernels,
                                  .batch_size = o.batch_size,
                                  .repeats = o.repeats,
                                  .front_kind = o.front_kind,
                                  .first_last = o.first_last,
                                  .wanted = o.analysis,
                                  .weight_only = o.weight_only,
                                  .ignore_activation_loss = o.ignore_activation_loss};
    if (!o.problem == !cli->n_args)
        return hawq_fail(HAWQ_EINVAL,
                         "%s; usage: hawq-search MODEL.onnx | --problem "
                         "FILE.json --budget KIND=VALUE",
                         o.problem ? "a model and --problem exclude each other"
                                   : "MODEL.onnx or --problem is missing");
    if (o.bits && o.candidates)
        return hawq_fail(HAWQ_EINVAL, "--bits and --candidates are one option "
                                      "by two names; give one of them");
    if (o.candidates) o.bits = o.candidates;
    HAWQ_TRY(check_options(&s));
    HAWQ_TRY(hawq_search_widths(&s, o.bits));
    hawq_status status = hawq_search_load(&s);
    if (status == HAWQ_OK) status = hawq_search_constrain(&s);
    if (status == HAWQ_OK)
        status = o.front_kind ? find_front(&s)
                 : o.score    ? score(&s)
                              : find_allocation(&s);
    if (status == HAWQ_OK && o.report)
        status = hawq_page_write(cli, s.store, s.hash, o.report);
    hawq_search_close(&s);
    return status;
}

const hawq_command hawq_command_this = {
    .name = "hawq-search",
    .summary = "Finds the bits of every layer with the least predicted loss "
               "within the budgets, and proves it.",
    .usage =
        "MODEL.onnx | --problem FILE.json --budget KIND=VALUE... [options]",
    .options = {options, hawq_data_rows, hawq_input_rows, hawq_output_rows},
    .min_args = 0,
    .max_args = 1,
    .args = "MODEL.onnx",
    .run = run};
