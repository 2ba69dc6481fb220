"""Record the texts that the real CNTK 2.7 gives of text_cases.py. Run by its Python 3.6: `python3.6 make_texts.py`.

Writes texts.json beside this file.
"""

import json
import os
import sys

import cntk
from text_cases import texts

HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    found = texts(cntk)
    with open(os.path.join(HERE, "texts.json"), "w") as file:
        json.dump(found, file, indent=1)
        file.write("\n")
    sys.stdout.write("%d texts\n" % len(found))
