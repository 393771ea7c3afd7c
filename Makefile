# One command each: `make check` before every commit, `make test` for everything.
PY ?= .venv/bin/python
CODE = activitypub bench groups inbox kernel media members moderation node resources tests

.PHONY: check format lint types imports quick optimized test kills attack fuzz interop install words

check: lint types imports quick

install:
	test -d .venv || python3 -m venv .venv
	.venv/bin/pip install -q --require-hashes -r requirements-test.lock
	.venv/bin/pip install -q --no-deps --no-build-isolation -e .

format:
	$(PY) -m ruff format $(CODE)
	$(PY) -m ruff check --fix $(CODE)

lint:
	$(PY) -m ruff format --check $(CODE)
	$(PY) -m ruff check $(CODE)

types:
	$(PY) -m mypy

imports:
	.venv/bin/lint-imports

quick:
	$(PY) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not browser"

# Once more without asserts, those of libraries: what strangers' bytes reach first. That no check of
# ours is an assert is seen by `tests/node/test_optimised.py` (SEC-D15).
optimized:
	PYTHONOPTIMIZE=1 $(PY) -m pytest -q tests/framing -m "not alone" \
		-W "ignore:assertions not in test modules:pytest.PytestConfigWarning"

test:
	$(PY) -m pytest

# A node is killed a hundred times at each of the places where that hurts most (SEC-I9).
kills:
	KILLS=100 $(PY) -m pytest -n 2 tests/faults/test_kill_points.py

# The whole game of DESIGN-V1 with its table; fails where a stolen database says too much.
attack:
	$(PY) -m tests.privacy

# Other people's programs that the tests meet, each in a place of its own; needs Node.js 20 or later.
OTHERS = tests/interop/python tests/interop/s3
interop:
	for program in tests/interop/fedify tests/browser/axe; do \
		(cd $$program && npm ci --ignore-scripts --no-audit --no-fund --silent) || exit; \
	done
	for other in $(OTHERS); do \
		test -d $$other/.venv || python3 -m venv $$other/.venv || exit; \
		$$other/.venv/bin/python -m pip install -q --require-hashes --no-deps -r $$other/requirements.lock || exit; \
	done

# What marks words: calls of `kernel.said`, of templates, and the refusals that people read.
SAYS = noted said noted_pair:1,2 said_many:1,2 counted:2,3 noted_in:1c,2 pgettext:1c,2 \
	Malformed NotAllowed NotFound Gone Conflict TooLarge UnsupportedMedia TooMany Busy NoRoom \
	NotAMember GuidelinesChanged AskForWords SignedOut

# Gather what pages say into the catalogues of every language; nothing that was translated is lost.
words:
	.venv/bin/pybabel -q extract -F templates/locale/babel.cfg $(SAYS:%=-k %) -c note: \
		--no-location --sort-output --omit-header -o templates/locale/hearthold.pot .
	for file in templates/locale/*.po; do \
		.venv/bin/pybabel -q update -i templates/locale/hearthold.pot -o $$file \
			-l $$(basename $$file .po) --ignore-obsolete --no-fuzzy-matching --omit-header || exit; \
	done

# Strange documents against a real node, other ones each time: `make fuzz MINUTES=30`.
MINUTES ?= 10
fuzz:
	FUZZ_MINUTES=$(MINUTES) $(PY) -m pytest -q -s tests/fuzzing
