"""Statistics on plain arrays, knowing nothing of cells, files or networks: only numpy and scipy are imported.

Import from the modules: `classification` (confusion matrix and its scores), `roc` (AUROC, DeLong),
`intervals` (limits of a proportion), `bootstrap`, `paired` (two raters or models on the same cells),
`calibration` (probabilities, abstention), `scaling` (mends probabilities), `agreement` (two methods'
measurements of the same slides).

Everywhere: a cell type is its index, 0 to `n_types` - 1; a rate that the data leave undefined (of a type that
has no cell, or was never predicted) is NaN and never 0; an average is over the defined types; `level` is a
confidence level as a fraction.
"""
