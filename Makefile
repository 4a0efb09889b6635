# One line each: everything happens in ./countersign, which needs only Python 3.11 or newer.
# PORT=9000 make demo moves the port; make test ARGS="-k approve" passes arguments on.
PYTHON ?= python3

.PHONY: demo smoke test lint fmt bench bench-peers chaos lock stop
demo:  ; @$(PYTHON) ./countersign demo
smoke: ; @$(PYTHON) ./countersign smoke
test:  ; @$(PYTHON) ./countersign test $(ARGS)
lint:  ; @$(PYTHON) ./countersign lint
fmt:   ; @$(PYTHON) ./countersign fmt
bench: ; @$(PYTHON) ./countersign bench
bench-peers: ; @$(PYTHON) ./countersign bench-peers
chaos: ; @$(PYTHON) ./countersign chaos $(ARGS)
lock:  ; @$(PYTHON) ./countersign lock
stop:  ; @$(PYTHON) ./countersign stop
