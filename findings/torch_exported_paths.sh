#!/usr/bin/env bash
# One expects that an exported network is its operations and weights. torch.onnx.export and torch.export.save also write, for every
# operation, the lines of source code that made it, with the full paths of these files on the machine: a file that is handed on
# tells where its author's folders are, and the same network exported in another folder has other bytes.
# shellcheck source=environment.sh
source "$(dirname "$0")/environment.sh" torch==2.14.1 onnx==1.23.2 onnxscript==0.7.2
mkdir one another
for place in one another; do
	cat >"$place/network.py" <<'EOF'
from pathlib import Path

import torch


class Network(torch.nn.Module):
    def forward(self, images):
        return images.relu()


example = (torch.zeros(2, 3),)
program = torch.export.export(Network(), example)
torch.export.save(program, "network.pt2")
torch.onnx.export(Network(), example, "network.onnx", dynamo=True, external_data=False, verbose=False)
EOF
	(cd "$place" && python network.py >/dev/null 2>&1)
done
python - <<'EOF' >found.txt
import zipfile
from pathlib import Path

def content(place):
    program = zipfile.ZipFile(f"{place}/network.pt2")
    return {"pt2": b"".join(program.read(name) for name in program.namelist()), "onnx": Path(place, "network.onnx").read_bytes()}

one, another = content("one"), content("another")
for kind in one:
    path = str(Path("one/network.py").resolve()).encode()
    print(kind, "has the path:", path in one[kind], "same bytes:", one[kind] == another[kind], end="; ")
EOF
expect "exported from two folders" "$(cat found.txt)" \
	"pt2 has the path: True same bytes: False; onnx has the path: True same bytes: False; "
