"""Says what an area of an image map becomes, by plain 3x3 matrices and half planes in the space of the reply.

Reads lines of tab-separated fields: width and height of the source, the commands, the space of the area (source or
layer), its shape and its numbers. Writes one line for each: RECT, POLY or NONE, and the corners before rounding.
Nothing of it is shared with the program that it checks.
"""
import math
import sys


def product(second, first):
    return [[sum(second[i][k] * first[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def shift(x, y):
    return [[1, 0, x], [0, 1, y], [0, 0, 1]]


def stretch(x, y):
    return [[x, 0, 0], [0, y, 0], [0, 0, 1]]


def spin(degrees):
    a = math.radians(degrees)
    c, s = math.cos(a), math.sin(a)
    return [[c, -s, 0], [s, c, 0], [0, 0, 1]]


def apply(m, p):
    return (m[0][0] * p[0] + m[0][1] * p[1] + m[0][2], m[1][0] * p[0] + m[1][1] * p[1] + m[1][2])


def mirror(word, w, h):
    m = stretch(1, 1)
    if 'lr' in word:
        m = product([[-1, 0, w], [0, 1, 0], [0, 0, 1]], m)
    if 'ud' in word:
        m = product([[1, 0, 0], [0, -1, h], [0, 0, 1]], m)
    return m


def half_up(x):
    return math.floor(x + 0.5)


def dim(x):
    return max(1, half_up(x))


def corners(l, t, r, b):
    return [(l, t), (r, t), (r, b), (l, b)]


def clip(poly, window):
    """Keeps what lies on the inner side of each edge of a convex window."""
    middle = (sum(p[0] for p in window) / 4, sum(p[1] for p in window) / 4)
    for (ax, ay), (bx, by) in zip(window, window[1:] + window[:1]):
        side = lambda p: (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax)
        sign = 1 if side(middle) >= 0 else -1
        out = []
        for p, q in zip(poly, poly[1:] + poly[:1]):
            dp, dq = sign * side(p), sign * side(q)
            if dp >= 0:
                out.append(p)
            if (dp > 0 > dq) or (dp < 0 < dq):
                t = dp / (dp - dq)
                out.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        poly = out
        if not poly:
            break
    return poly


def view(commands, width, height):
    """The matrix from the composite to the reply, and the size of the reply."""
    rx, ry, rw, rh = commands.get('rgn', [0, 0, width, height])
    wid = commands['wid'][0] if 'wid' in commands else None
    hei = commands['hei'][0] if 'hei' in commands else None
    ax, ay = commands.get('align', [0, 0])
    mode, up = 'fit', False
    if 'fit' in commands:
        mode = commands['fit'][0]
        up = len(commands['fit']) > 1 and commands['fit'][1] == 1
    if 'scl' in commands:
        s = 1 / commands['scl'][0]
        sw, sh = dim(rw * s), dim(rh * s)
        vw, vh = wid or sw, hei or sh
    elif wid is None and hei is None:
        sw, sh = rw, rh
        vw, vh = sw, sh
    elif hei is None:
        sw, sh = wid, dim(rh * wid / rw)
        vw, vh = sw, sh
    elif wid is None:
        sw, sh = dim(rw * hei / rh), hei
        vw, vh = sw, sh
    else:
        x, y = wid / rw, hei / rh
        if not up:
            x, y = min(x, 1), min(y, 1)
        small, large = min(wid / rw, hei / rh), max(wid / rw, hei / rh)
        if not up:
            small, large = min(small, 1), min(large, 1)
        sx, sy = {'fit': (small, small), 'constrain': (small, small), 'crop': (large, large),
                  'wrap': (large, large), 'stretch': (x, y), 'hfit': (x, x), 'vfit': (y, y)}[mode]
        sw, sh = dim(rw * sx), dim(rh * sy)
        vw, vh = wid, hei
        if mode == 'constrain':
            vw, vh = sw, sh
        if mode == 'wrap':
            vw, vh = max(wid, sw), max(hei, sh)
    ox, oy = math.trunc((vw - sw) * (1 + ax) / 2), math.trunc((vh - sh) * (1 + ay) / 2)
    m = product(shift(ox, oy), product(stretch(sw / rw, sh / rh), shift(-rx, -ry)))
    if 'rect' in commands:
        x, y, vw, vh = commands['rect'][:4]
        t = commands['rect'][4] if len(commands['rect']) > 4 else 1
        m = product(shift(-x, -y), product(stretch(t, t), m))
    return m, vw, vh


def answer(width, height, text, space, shape, numbers):
    commands, comp_flip = {}, ''
    layer = 'comp'
    for part in filter(None, text.split('&')):
        name, value = part.split('=', 1)
        if name == 'layer':
            layer = value
        elif name == 'flip' and layer == 'comp':
            comp_flip = value
        elif name == 'flip':
            commands['flip'] = value
        else:
            words = value.split(',')
            commands[name] = [w if w.isalpha() else float(w) for w in words]
    x, y, w, h = commands.get('crop', [0, 0, width, height])
    if 'cropN' in commands:
        nx, ny, nw, nh = commands['cropN']
        x, y = half_up(nx * width), half_up(ny * height)
        w, h = half_up((nx + nw) * width) - x, half_up((ny + nh) * height) - y
    windows = []
    sw, sh = w, h
    if 'size' in commands:
        p, q = commands['size']
        s = p / w if q == 0 else q / h if p == 0 else min(p / w, q / h)
        sw, sh = dim(w * s), dim(h * s)
    elif 'scale' in commands:
        sw, sh = dim(w * commands['scale'][0]), dim(h * commands['scale'][0])
    m = product(stretch(sw / w, sh / h), shift(-x, -y))
    m = product(mirror(commands.get('flip', ''), sw, sh), m)
    angle = commands.get('rotate', [0])[0]
    c, s = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    bw, bh = math.ceil(sw * c + sh * s - 1e-6), math.ceil(sw * s + sh * c - 1e-6)
    m = product(shift(bw / 2, bh / 2), product(spin(angle), product(shift(-sw / 2, -sh / 2), m)))
    l, t, r, b = commands.get('extend', [0, 0, 0, 0])
    m = product(shift(l, t), m)
    lw, lh = bw + l + r, bh + t + b
    rest = mirror(comp_flip, lw, lh)
    to_view, vw, vh = view(commands, lw, lh)
    rest = product(to_view, rest)
    windows.append([apply(rest, p) for p in corners(0, 0, lw, lh)])
    windows.append(corners(0, 0, vw, vh))
    whole = product(rest, m)
    if shape == 'DEFAULT':
        numbers, space, shape = [0, 0, lw, lh], 'layer', 'RECT'
    if space == 'source':
        windows.append([apply(whole, p) for p in corners(x, y, x + w, y + h)])
        motion = whole
    else:
        motion = rest
    if shape == 'RECT':
        poly = corners(*numbers)
    elif shape == 'CIRCLE':
        poly = [(numbers[0] + numbers[2] * math.cos(k * math.pi / 16),
                 numbers[1] + numbers[2] * math.sin(k * math.pi / 16)) for k in range(32)]
    else:
        poly = list(zip(numbers[::2], numbers[1::2]))
    poly = [apply(motion, p) for p in poly]
    for window in windows:
        poly = clip(poly, window)
    area = abs(sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(poly, poly[1:] + poly[:1]))) / 2
    if area < 0.2:
        return 'NONE', []
    if shape == 'RECT' and (space == 'layer' or angle % 90 == 0):
        xs, ys = [p[0] for p in poly], [p[1] for p in poly]
        return 'RECT', [min(xs), min(ys), max(xs), max(ys)]
    return 'POLY', [value for p in poly for value in p]


for line in sys.stdin:
    w, h, commands, space, shape, numbers = line.rstrip('\n').split('\t')
    numbers = [float(n) for n in numbers.split(',') if n]
    kind, values = answer(float(w), float(h), commands, space, shape, numbers)
    print(kind, ','.join(repr(float(v)) for v in values))
