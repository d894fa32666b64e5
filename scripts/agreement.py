"""Agreement of coders: ``python scripts/agreement.py 'coders=[anna.jsonl,ben.jsonl]'``."""

from stance.commands.agreement import main

if __name__ == "__main__":
    main()
