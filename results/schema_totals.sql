-- schema_totals.sql -- version 3: what a network's time has beside its layers'.
--
-- SPDX-License-Identifier: GPL-3.0-or-later

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
