"""Statistics on plain arrays, without knowledge of cells, files or networks. Only numpy and scipy are imported.

Import from the modules: `classification` (confusion matrix and its scores), `roc` (AUROC, DeLong),
`intervals` (limits of a proportion), `single_cells` and `clusters` (limits of other scores, by cells and by slides),
`paired` (two raters or models on the same cells), `calibration` (probabilities, abstention), `scaling` (corrects
probabilities), `agreement` and `correlation` (two methods' measurements of the same slides).

In all modules a cell type is its index, 0 to `n_types` - 1. An undefined rate, of a type that has no cell or was never
predicted, is NaN and never 0. An average is over the defined types. `level` is a confidence level as a fraction.
"""
