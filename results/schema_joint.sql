-- schema_joint.sql -- version 5: what an allocation loses once all its layers
-- are quantized together, and scales that were moved between layers before.
--
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Against the float network, on check_images images that no code was chosen
-- by: mean divergence in nats, share of equal decisions.
ALTER TABLE allocation ADD COLUMN kl REAL;
ALTER TABLE allocation ADD COLUMN agreement REAL;
ALTER TABLE allocation ADD COLUMN check_images INTEGER;

-- 'equalize', 'smooth:0.5', 'awq' or '': how the network's scales were moved
-- before it was quantized. rewrite_factors: the factor of each channel of each
-- seam, as doubles of the machine in the order of the seams.
ALTER TABLE run ADD COLUMN rewrite TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN rewrite_factors BLOB;
