"""Teach a trained model to find actors: ``python scripts/train_tagger.py model_dir=RUN/model``."""

from stance.commands.train_tagger import main

if __name__ == "__main__":
    main()
