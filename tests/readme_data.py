"""Writes small stand-ins for the data that README.md's commands name into the current folder: flights,
drives of KITTI, the frames of NYU Depth v2, a picture, a recording. (Pictures are PNG whatever
their names end in:
readers go by the content.)"""

import os
import struct
import zlib

import h5py
import numpy

random = numpy.random.default_rng(0)


def write(path, content):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def png(values):
    """Of (height, width, 3) bytes, or of (height, width) 16-bit numbers."""
    height, width = values.shape[:2]
    grey = values.ndim == 2
    rows = values.astype(">u2" if grey else "u1").tobytes()
    size = len(rows) // height
    packed = zlib.compress(b"".join(b"\0" + rows[y * size:(y + 1) * size] for y in range(height)), 1)
    head = struct.pack(">IIBBBBB", width, height, *((16, 0) if grey else (8, 2)), 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks)


def picture(height, width):
    return png(random.integers(0, 256, (height, width, 3)))


write("room.jpg", picture(244, 324))

for flight in range(6):
    for time_ms in range(1000, 1800, 100):
        write(f"FLIGHTS/F{flight}/images/{time_ms}.jpeg", picture(244, 324))
    zones = random.integers(500, 3000, (8, 64))
    write(f"FLIGHTS/F{flight}/state_ToF.csv", "".join(
        f"{1000 + 100 * i},0,0\n" + "".join(f"{zone},1,5\n" for zone in frame)
        for i, frame in enumerate(zones)))

zones = random.integers(500, 3000, (10, 64))
columns = [f"{name}_{zone}" for name in ("distance_mm", "target_status") for zone in range(64)]
write("living_room/frames.csv", ",".join(["picture", *columns]) + "\n" + "".join(
    f"pictures/{i}.png," + ",".join(map(str, [*frame, *[5] * 64])) + "\n" for i, frame in enumerate(zones)))
for i in range(10):
    write(f"living_room/pictures/{i}.png", picture(244, 324))

day, drive = "KITTI/2011_09_26", "KITTI/2011_09_26/2011_09_26_drive_0001_sync"
write(f"{day}/calib_cam_to_cam.txt", "R_rect_00: 1 0 0 0 1 0 0 0 1\n"
      "P_rect_02: 700 0 600 45 0 700 180 0 0 0 1 0\nP_rect_03: 700 0 600 -330 0 700 180 0 0 0 1 0\n")
write(f"{drive}/image_02/data/0000000005.png", picture(375, 1242))
write(f"{drive}/proj_depth/groundtruth/image_02/0000000005.png",
      png(random.integers(256, 20000, (375, 1242))))

with h5py.File("nyu_depth_v2_labeled.mat", "w") as file:
    file["images"] = random.integers(0, 256, (4, 3, 640, 480)).astype("u1")
    file["depths"] = random.uniform(1, 5, (4, 640, 480)).astype("f4")
with h5py.File("splits.mat", "w") as file:
    file["trainNdxs"] = numpy.array([[1.0, 3.0]])
    file["testNdxs"] = numpy.array([[2.0, 4.0]])
