"""Write order_answers.json with the real CNTK 2.7: python make_order_answers.py."""

import json
from pathlib import Path

import cntk
import order_cases

Path(__file__).with_name("order_answers.json").write_text(json.dumps(order_cases.orders(cntk)) + "\n")
