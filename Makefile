# One line each: everything happens in ./countersign, which needs only Python 3.11 or newer.
# PORT=9000 make demo moves the port; make test ARGS="-k approve" passes arguments on.
PYTHON ?= python3

.PHONY: demo smoke test lint fmt bench bench-peers chaos eval lock stop
demo:  ; @$(PYTHON) ./countersign demo
smoke: ; @$(PYTHON) ./countersign smoke
test:  ; @$(PYTHON) ./countersign test $(ARGS)
lint:  ; @$(PYTHON) ./countersign lint
fmt:   ; @$(PYTHON) ./countersign fmt
bench: ; @$(PYTHON) ./countersign bench $(ARGS)
bench-peers: ; @$(PYTHON) ./countersign bench-peers $(ARGS)
chaos: ; @$(PYTHON) ./countersign chaos $(ARGS)
eval:  ; @$(PYTHON) ./countersign eval $(ARGS)
lock:  ; @$(PYTHON) ./countersign lock
stop:  ; @$(PYTHON) ./countersign stop
