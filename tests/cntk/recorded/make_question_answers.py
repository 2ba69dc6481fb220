"""Record what the real CNTK 2.7 says to questions.py. Run by its Python 3.6: `python3.6 make_question_answers.py`."""

import json
import os

import cntk as C
import questions

HERE = os.path.dirname(os.path.abspath(__file__))

names = questions.namespace(C)
answers = {name: questions.answer(words, names) for name, words in questions.QUESTIONS.items()}
with open(os.path.join(HERE, "question_answers.json"), "w") as file:
    json.dump(answers, file, indent=1)
    file.write("\n")
