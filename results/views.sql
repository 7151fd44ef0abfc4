-- views.sql -- what users query. The names and columns of these views stay,
-- whatever becomes of the tables; new columns come last. Made anew whenever a
-- file is brought to the present schema.
--
-- SPDX-License-Identifier: GPL-3.0-or-later

DROP VIEW IF EXISTS pareto_front;
DROP VIEW IF EXISTS layer_sensitivity;
DROP VIEW IF EXISTS activation_sensitivity;
DROP VIEW IF EXISTS allocation_summary;
DROP VIEW IF EXISTS allocation_layers;
DROP VIEW IF EXISTS latency_table;
DROP VIEW IF EXISTS benchmark_summary;
DROP VIEW IF EXISTS latency_total;
DROP VIEW IF EXISTS latency_constant;

-- The newest front of each model, cost and metric, in ascending cost. Older
-- ones stay in front and front_point.
CREATE VIEW pareto_front AS
SELECT front.id AS front_id, front.run_id, run.model_path AS model,
       front.metric, front.solver, front.cost_kind, point, cost, objective,
       mean_bits, weight_bits, candidates
FROM front JOIN run ON run.id = front.run_id
           JOIN front_point ON front_point.front_id = front.id
WHERE front.id = (
    SELECT max(f.id) FROM front AS f JOIN run AS r ON r.id = f.run_id
    WHERE r.model_hash = run.model_hash AND f.cost_kind = front.cost_kind
      AND f.metric = front.metric)
ORDER BY front.id, point;

-- What each layer costs in loss at each width, from the newest complete
-- analysis of each model, loss and metric; the trace with its error beside it.
CREATE VIEW layer_sensitivity AS
SELECT run.id AS run_id, run.model_path AS model, run.loss,
       sensitivity.metric, layer.layer, layer.name, layer.op, layer.params,
       layer.macs_per_image, layer.group_name, sensitivity.bits,
       sensitivity.value AS sensitivity, sensitivity.standard_error,
       trace.mean AS trace, trace.standard_error AS trace_standard_error,
       trace.low AS trace_low, trace.high AS trace_high,
       sensitivity.candidate
FROM sensitivity
JOIN run ON run.id = sensitivity.run_id
JOIN layer USING (run_id, layer)
LEFT JOIN estimate AS trace ON trace.run_id = run.id
     AND trace.layer = layer.layer AND trace.metric = 'trace'
WHERE run.id = (
    SELECT max(r.id) FROM run AS r
    WHERE r.state = 'complete' AND r.model_hash = run.model_hash
      AND r.loss = run.loss AND EXISTS (
        SELECT * FROM sensitivity AS s
        WHERE s.run_id = r.id AND s.metric = sensitivity.metric))
ORDER BY run.id, sensitivity.metric, layer.layer, sensitivity.bits DESC,
         sensitivity.candidate;

-- From the newest complete analysis of each model and loss that measured
-- activations. layers: names of those that read the tensor, a JSON array.
CREATE VIEW activation_sensitivity AS
SELECT run.id AS run_id, run.model_path AS model, run.loss, activation,
       activation.name, activation.range,
       (SELECT json_group_array(layer.name) FROM activation_reader AS reader
        JOIN layer USING (run_id, layer)
        WHERE reader.run_id = run.id
          AND reader.activation = activation.activation) AS layers,
       bits, value AS sensitivity, standard_error
FROM activation_rise
JOIN activation USING (run_id, activation)
JOIN run ON run.id = activation_rise.run_id
WHERE run.id = (
    SELECT max(r.id) FROM run AS r
    WHERE r.state = 'complete' AND r.model_hash = run.model_hash
      AND r.loss = run.loss AND EXISTS (
        SELECT * FROM activation_rise AS a WHERE a.run_id = r.id))
ORDER BY run.id, activation, bits DESC;

-- One row an allocation; gap: how far the objective may be above the optimum.
-- budgets: 'weight-size <= 51200 (used 51100, binding)', one after another.
-- kl, agreement: as measured jointly, on check_images images that no code was
-- chosen by; NULL where that was not done.
CREATE VIEW allocation_summary AS
SELECT allocation.id AS allocation_id, run_id, analysis_run_id,
       run.model_path AS model, solver, metric, allocation.state, objective,
       bound, objective - bound AS gap, weight_bytes, bops, mean_bits,
       latency_us,
       (SELECT group_concat(printf('%s <= %.15g (used %.15g%s)', kind,
                                   limit_value, used,
                                   CASE binding WHEN 1 THEN ', binding'
                                                ELSE ', not binding' END), '; ')
        FROM allocation_budget WHERE allocation_id = allocation.id) AS budgets,
       run.started, allocation.kl, allocation.agreement,
       allocation.check_images, run.rewrite
FROM allocation JOIN run ON run.id = allocation.run_id
ORDER BY allocation.id;

CREATE VIEW allocation_layers AS
SELECT allocation_id, run.model_path AS model, layer, name, weight_bits,
       activation_bits, candidate
FROM allocation_layer
JOIN allocation ON allocation.id = allocation_layer.allocation_id
JOIN run ON run.id = allocation.run_id
ORDER BY allocation_id, layer;

-- The newest time of each layer of each model at each width, per machine,
-- device, kernels, threads and batch: the latency costs of a search.
CREATE VIEW latency_table AS
SELECT run.model_path AS model, run.model_hash, run.host, device, kernels,
       benchmark.threads, batch_size, layer, name, weight_bits,
       activation_bits, kernel, benchmark_layer.latency_us,
       max(benchmark.id) AS benchmark_id,
       format
FROM benchmark_layer
JOIN benchmark ON benchmark.id = benchmark_layer.benchmark_id
JOIN run ON run.id = benchmark.run_id
GROUP BY run.model_hash, run.host, device, kernels, benchmark.threads,
         batch_size, name, weight_bits, activation_bits, format
ORDER BY run.model_hash, run.host, device, kernels, benchmark.threads,
         batch_size, layer, weight_bits DESC, activation_bits DESC;

CREATE VIEW benchmark_summary AS
SELECT benchmark.id AS benchmark_id, run_id, run.model_path AS model,
       allocation_id, label, device, kernels, benchmark.threads, batch_size,
       repeats, samples, accuracy, benchmark.loss, float_accuracy, float_loss,
       agreement, weight_bytes, file_bytes, latency_us, latency_spread_us,
       speedup_vs_float, speedup_vs_uniform8, bit_exact, run.host, run.started
FROM benchmark JOIN run ON run.id = benchmark.run_id
ORDER BY benchmark.id;

-- The newest total of each network that was timed with its layers, per model,
-- machine, device, kernels, threads and batch, beside the sum of its layers.
CREATE VIEW latency_total AS
SELECT run.model_path AS model, run.model_hash, run.host, device, kernels,
       benchmark.threads, batch_size, label, latency_us, latency_spread_us,
       (SELECT sum(l.latency_us) FROM benchmark_layer AS l
        WHERE l.benchmark_id = benchmark.id) AS layers_us,
       benchmark.id AS benchmark_id
FROM benchmark JOIN run ON run.id = benchmark.run_id
WHERE latency_us IS NOT NULL AND latency_spread_us IS NOT NULL
  AND benchmark.id IN (
    SELECT max(b.id) FROM benchmark AS b JOIN run AS r ON r.id = b.run_id
    WHERE EXISTS (SELECT * FROM benchmark_layer WHERE benchmark_id = b.id)
    GROUP BY r.model_hash, r.host, b.device, b.kernels, b.threads,
             b.batch_size, b.label)
ORDER BY run.model_hash, run.host, device, kernels, benchmark.threads,
         batch_size, benchmark.id;

-- The constant c of total = c + sum of layers with the least sum of squared
-- relative errors: the mean of the differences with weights 1 / total^2, here
-- beside the smallest and the largest of them.
CREATE VIEW latency_constant AS
SELECT model, model_hash, host, device, kernels, threads, batch_size,
       sum((latency_us - layers_us) / (latency_us * latency_us))
           / sum(1 / (latency_us * latency_us)) AS constant_us,
       min(latency_us - layers_us) AS least_us,
       max(latency_us - layers_us) AS largest_us, count(*) AS totals
FROM latency_total
GROUP BY model_hash, host, device, kernels, threads, batch_size
ORDER BY model_hash, host, device, kernels, threads, batch_size;
