"""The technical report: built from results files, so that no figure in it is typed by hand."""
