"""Evaluate a stance model: ``python scripts/evaluate.py data=newsstance split=test``."""

from stance.commands.evaluate import main

if __name__ == "__main__":
    main()
