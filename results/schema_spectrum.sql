-- schema_spectrum.sql -- version 6: what a page about a network shows beside
-- the sensitivities: what it was measured on, the spectrum of its Hessian, its
-- loss along directions, and its weights over their grids.
--
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Of the float network on the images of an analysis. rest_bytes: of weights
-- that no layer has.
CREATE TABLE study (
    run_id        INTEGER PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    images        INTEGER NOT NULL,
    loss          REAL NOT NULL,
    accuracy      REAL,
    gradient_norm REAL NOT NULL,
    rest_bytes    INTEGER NOT NULL
) STRICT;

-- The largest eigenvalues of the Hessian on the weights of a layer, '' for all
-- of them; an eigenvalue lies within the residual of value.
CREATE TABLE eigenvalue (
    run_id    INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    layer     TEXT NOT NULL,
    number    INTEGER NOT NULL,
    value     REAL NOT NULL,
    residual  REAL NOT NULL,
    PRIMARY KEY (run_id, layer, number)
) STRICT, WITHOUT ROWID;

-- Quadratures of its spectral density: of each start, weights that sum to 1.
CREATE TABLE density (
    run_id INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    layer  TEXT NOT NULL,
    start  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    value  REAL NOT NULL,
    weight REAL NOT NULL,
    PRIMARY KEY (run_id, layer, start, number)
) STRICT, WITHOUT ROWID;

-- The loss at the weights plus step times a direction of one length for all
-- directions.
CREATE TABLE walk (
    run_id    INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    direction TEXT NOT NULL,
    step      REAL NOT NULL,
    loss      REAL NOT NULL,
    PRIMARY KEY (run_id, direction, step)
) STRICT, WITHOUT ROWID;

-- A layer's weights in units of their channel's scale: counts (a JSON array) of
-- bins from low on, each so wide, and the points of the candidate's grid.
CREATE TABLE histogram (
    run_id    INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    layer     INTEGER NOT NULL,
    candidate TEXT NOT NULL,
    low       REAL NOT NULL,
    width     REAL NOT NULL,
    counts    TEXT NOT NULL,
    levels    TEXT NOT NULL,
    PRIMARY KEY (run_id, layer)
) STRICT, WITHOUT ROWID;
