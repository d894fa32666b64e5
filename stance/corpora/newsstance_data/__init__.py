"""The texts of the newsstance corpus, their guideline, data card, fixed split and check."""
