"""``python -m ssgan`` is the command ``ssgan`` of this very Python."""

from ssgan.cli import main

if __name__ == "__main__":
    main()
