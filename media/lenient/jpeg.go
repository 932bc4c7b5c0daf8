package lenient

import (
	"bytes"
	"image"
	"math"
)

// Bounds on one file. A photo of 100 megapixels has 2.4 million blocks, and a progressive one about ten scans.
const (
	mostBlocks = 16 << 20 // blocks of 8 × 8 samples, of all components
	mostVisits = 96 << 20 // of blocks by scans
)

// zigzag is the order of coefficients (ITU-T T.81, figure 5).
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

type component struct {
	id     int
	h, v   int // sampling factors
	quant  int // which table
	table  [64]uint16
	latch  bool // table holds the values that were in force at its first scan
	across int  // blocks in a row as stored: of whole MCUs
	down   int
	wide   int // blocks in a row of a scan of this component alone
	high   int
	coef   []int16  // keep of them for each block
	set    []uint64 // progressive: which coefficients of a block are not 0, also those that are not kept
	seen   int      // blocks whose first coefficient was read by the scan that read most of them
}

type jpegReader struct {
	reader
	width, height int
	side          int // of a block as it comes out: 8, 4, 2 or 1
	slot          [64]int8
	comps         []component
	hmax, vmax    int
	progressive   bool
	quant         [4][64]uint16
	huff          [8]huffman // DC 0 to 3, AC 4 to 7
	interval      int
	transform     int // of Adobe; -1 where it says nothing
	visits        int

	// Of the scan that is read.
	bits   uint64
	have   int
	out    bool // the data of the scan, or of the restart interval, has come to its end
	eobrun int
	dc     [4]int
	ss, se int
	ah, al int
}

// JPEG decodes a file so that the longer side of the picture is at least the given one where the file has as much.
func JPEG(file []byte, longer int) (Picture, error) {
	j := &jpegReader{reader: reader{b: file}, transform: -1}
	if len(file) < 2 || file[0] != 0xff || file[1] != 0xd8 {
		return Picture{}, ErrBroken
	}
	j.at = 2
	for {
		marker := j.marker()
		if marker < 0 || marker == 0xd9 {
			break
		}
		if marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 {
			continue
		}
		size := j.short()
		if size < 2 {
			continue
		}
		from := min(j.at, len(file))
		body := file[from:min(from+size-2, len(file))]
		j.at = from + len(body)
		switch {
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if j.comps != nil {
				continue
			}
			if err := j.frame(marker, body, longer); err != nil {
				return Picture{}, err
			}
		case marker == 0xc4:
			j.huffmanTables(body)
		case marker == 0xdb:
			j.quantTables(body)
		case marker == 0xdd && len(body) >= 2:
			j.interval = int(body[0])<<8 | int(body[1])
		case marker == 0xee && len(body) >= 12 && string(body[:5]) == "Adobe":
			j.transform = int(body[11])
		case marker == 0xda:
			if j.comps == nil {
				return Picture{}, ErrBroken
			}
			j.scan(body)
			if j.visits > mostVisits { // what comes only makes it finer
				return j.picture()
			}
		}
	}
	return j.picture()
}

// marker finds the next one; -1 at the end.
func (j *jpegReader) marker() int {
	for j.at < len(j.b) {
		i := bytes.IndexByte(j.b[j.at:], 0xff)
		if i < 0 {
			break
		}
		j.at += i
		for j.at < len(j.b) && j.b[j.at] == 0xff {
			j.at++
		}
		if j.at < len(j.b) && j.b[j.at] != 0 {
			j.at++
			return int(j.b[j.at-1])
		}
	}
	return -1
}

func (j *jpegReader) frame(marker int, body []byte, longer int) error {
	if marker > 0xc2 || len(body) < 9 || body[0] != 8 {
		return ErrUnsupported
	}
	j.progressive = marker == 0xc2
	j.height, j.width = int(body[1])<<8|int(body[2]), int(body[3])<<8|int(body[4])
	if j.height == 0 { // it stands after the first scan
		if i := bytes.LastIndex(j.b, []byte{0xff, 0xdc, 0, 4}); i >= 0 && i+6 <= len(j.b) {
			j.height = int(j.b[i+4])<<8 | int(j.b[i+5])
		}
	}
	n := int(body[5])
	if n != 1 && n != 3 && n != 4 || len(body) < 6+3*n || j.width == 0 || j.height == 0 {
		return ErrBroken
	}
	j.hmax, j.vmax = 1, 1
	for i := range n {
		c := body[6+3*i:]
		comp := component{id: int(c[0]), h: int(c[1] >> 4), v: int(c[1] & 15), quant: int(c[2])}
		if comp.h < 1 || comp.h > 4 || comp.v < 1 || comp.v > 4 || comp.quant > 3 {
			return ErrBroken
		}
		if n == 1 { // one component has one block in an MCU, whatever it says
			comp.h, comp.v = 1, 1
		}
		j.hmax, j.vmax = max(j.hmax, comp.h), max(j.vmax, comp.v)
		j.comps = append(j.comps, comp)
	}
	j.side = 8
	for j.side > 1 && max(j.width, j.height)*(j.side/2)/8 >= longer {
		j.side /= 2
	}
	keep := int8(0)
	for z, natural := range zigzag {
		j.slot[z] = -1
		if u, v := int(natural&7), int(natural>>3); u < j.side && v < j.side {
			j.slot[z] = int8(v*j.side + u)
			keep++
		}
	}
	mcusX, mcusY := over(j.width, 8*j.hmax), over(j.height, 8*j.vmax)
	blocks := 0
	for i := range j.comps {
		c := &j.comps[i]
		c.across, c.down = mcusX*c.h, mcusY*c.v
		c.wide, c.high = over(over(j.width*c.h, j.hmax), 8), over(over(j.height*c.v, j.vmax), 8)
		blocks += c.across * c.down
	}
	if blocks > mostBlocks {
		return ErrTooBig
	}
	for i := range j.comps {
		c := &j.comps[i]
		c.coef = make([]int16, c.across*c.down*int(keep))
		if j.progressive {
			c.set = make([]uint64, c.across*c.down)
		}
	}
	return nil
}

// over divides and rounds up.
func over(a, b int) int { return (a + b - 1) / b }

func (j *jpegReader) quantTables(b []byte) {
	for len(b) > 0 {
		wide, which := int(b[0]>>4), b[0]&15
		size := 64 * (1 + min(wide, 1))
		if which > 3 || len(b) < 1+size {
			return
		}
		for i := range 64 {
			if wide == 0 {
				j.quant[which][i] = uint16(b[1+i])
			} else {
				j.quant[which][i] = uint16(b[1+2*i])<<8 | uint16(b[2+2*i])
			}
		}
		b = b[1+size:]
	}
}

// huffman is a table of codes: quick for those of up to nine bits, by the sums of T.81 F.16 for longer ones.
type huffman struct {
	ok     bool
	values []byte
	quick  [512]uint16 // length << 8 | value; 0: a longer code
	low    [17]int     // the first code of a length
	high   [17]int     // the last; -1: none
	first  [17]int     // where the values of a length begin
}

func (j *jpegReader) huffmanTables(b []byte) {
	for len(b) >= 17 {
		class, which := int(b[0]>>4), int(b[0]&15)
		total := 0
		for _, n := range b[1:17] {
			total += int(n)
		}
		if class > 1 || which > 3 || total > 256 || len(b) < 17+total {
			return
		}
		h := huffman{ok: true, values: b[17 : 17+total]}
		code, k := 0, 0
		for length := 1; length <= 16; length++ {
			n := int(b[length])
			h.low[length], h.high[length], h.first[length] = code, code+n-1, k
			for range n {
				if length <= 9 && code < 1<<length {
					for fill := range 1 << (9 - length) {
						h.quick[code<<(9-length)|fill] = uint16(length)<<8 | uint16(h.values[k])
					}
				}
				code++
				k++
			}
			if n == 0 {
				h.high[length] = -1
			}
			code <<= 1
		}
		j.huff[4*class+which] = h
		b = b[17+total:]
	}
}

// fill brings bits in, up to the next marker; after it come zeros, and out is set once they are used.
func (j *jpegReader) fill() {
	for j.have <= 48 {
		if j.at >= len(j.b) {
			return
		}
		c := j.b[j.at]
		if c == 0xff {
			if j.at+1 >= len(j.b) || j.b[j.at+1] != 0 {
				return
			}
			j.at++
		}
		j.at++
		j.bits = j.bits<<8 | uint64(c)
		j.have += 8
	}
}

func (j *jpegReader) take(n int) int {
	if n == 0 {
		return 0
	}
	if j.have < n {
		if j.fill(); j.have < n {
			j.out = true
			return 0
		}
	}
	j.have -= n
	return int(j.bits>>j.have) & (1<<n - 1)
}

func (j *jpegReader) symbol(h *huffman) int {
	if j.have < 16 {
		j.fill()
	}
	var peek int
	if j.have >= 9 {
		peek = int(j.bits>>(j.have-9)) & 511
	} else {
		peek = int(j.bits<<(9-j.have)) & 511
	}
	if q := h.quick[peek]; q != 0 {
		if n := int(q >> 8); n <= j.have {
			j.have -= n
			return int(q & 255)
		}
		j.out = true
		return 0
	}
	code := 0
	for length := 1; length <= 16; length++ {
		code = code<<1 | j.take(1)
		if j.out {
			return 0
		}
		if h.high[length] >= 0 && code <= h.high[length] && code >= h.low[length] {
			return int(h.values[h.first[length]+code-h.low[length]])
		}
	}
	j.out = true // no such code: the data is broken here
	return 0
}

// extend reads a value of so many bits (T.81, F.12).
func (j *jpegReader) extend(n int) int {
	if n > 15 {
		j.out = true
		return 0
	}
	v := j.take(n)
	if n > 0 && v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v
}

type scanned struct {
	*component
	dc, ac *huffman
}

func (j *jpegReader) scan(body []byte) {
	if len(body) < 1 {
		return
	}
	n := int(body[0])
	if n < 1 || n > 4 || len(body) < 4+2*n {
		return
	}
	var in []scanned
	for i := range n {
		id, tables := int(body[1+2*i]), int(body[2+2*i])
		for k := range j.comps {
			if j.comps[k].id == id && tables>>4 < 4 && tables&15 < 4 {
				c := &j.comps[k]
				if !c.latch {
					c.table, c.latch = j.quant[c.quant], true
				}
				in = append(in, scanned{c, &j.huff[tables>>4], &j.huff[4+tables&15]})
				break
			}
		}
	}
	if len(in) != n {
		return
	}
	j.ss, j.se = int(body[1+2*n]), int(body[2+2*n])
	j.ah, j.al = int(body[3+2*n]>>4), int(body[3+2*n]&15)
	if !j.progressive {
		j.ss, j.se, j.ah, j.al = 0, 63, 0, 0
	} else if j.ss > j.se || j.se > 63 || j.al > 13 || j.ss > 0 && n > 1 || j.ss == 0 && j.se > 0 {
		return
	}
	for _, c := range in {
		if j.ss == 0 && j.ah == 0 && !c.dc.ok || j.se > 0 && !c.ac.ok {
			return
		}
	}
	if j.ss == 0 && j.ah == 0 {
		for _, c := range in { // a scan that comes again shows no more than before
			before := c.seen
			c.seen = 0
			defer func() { c.seen = max(c.seen, before) }()
		}
	}
	j.fresh()
	wide, high := over(j.width, 8*j.hmax), over(j.height, 8*j.vmax)
	if n == 1 {
		wide, high = in[0].wide, in[0].high
	}
	total := wide * high
	expected := 0
	for mcu := 0; mcu < total; {
		stop := total
		if j.interval > 0 {
			stop = min(total, mcu+j.interval)
		}
		for ; mcu < stop && !j.out; mcu++ {
			j.mcu(in, mcu%wide, mcu/wide)
			if j.visits > mostVisits {
				return
			}
		}
		if mcu >= total || j.interval == 0 {
			return
		}
		// To the next restart, which says by its number how many were lost.
		at := j.at
		m := j.marker()
		if m < 0xd0 || m > 0xd7 {
			j.at = at
			return
		}
		mcu = stop + ((m-0xd0-expected)&7)*j.interval
		expected = (m - 0xd0 + 1) & 7
		j.fresh()
	}
}

// fresh begins a scan or a restart interval.
func (j *jpegReader) fresh() {
	j.bits, j.have, j.out, j.eobrun, j.dc = 0, 0, false, 0, [4]int{}
}

func (j *jpegReader) mcu(in []scanned, x, y int) {
	if len(in) == 1 {
		j.block(in[0], 0, x, y)
		return
	}
	for i, c := range in {
		for v := range c.v {
			for h := range c.h {
				if j.block(c, i, x*c.h+h, y*c.v+v); j.out {
					return
				}
			}
		}
	}
}

// block reads what the scan has of one block. What is out of bits leaves the block as far as it came.
func (j *jpegReader) block(c scanned, which, x, y int) {
	j.visits++
	index := y*c.across + x
	keep := j.side * j.side
	coef := c.coef[index*keep : (index+1)*keep]
	switch {
	case !j.progressive:
		d := j.extend(j.symbol(c.dc))
		if j.out {
			return
		}
		j.dc[which] += d
		coef[0] = int16(j.dc[which])
		c.seen++
		for k := 1; k < 64; k++ {
			s := j.symbol(c.ac)
			run, size := s>>4, s&15
			if size == 0 {
				if run != 15 || j.out {
					return
				}
				k += 15
				continue
			}
			k += run
			v := j.extend(size)
			if k > 63 || j.out {
				return
			}
			if at := j.slot[k]; at >= 0 {
				coef[at] = int16(v)
			}
		}
	case j.ss == 0 && j.ah == 0:
		d := j.extend(j.symbol(c.dc))
		if j.out {
			return
		}
		j.dc[which] += d
		coef[0] = int16(j.dc[which] << j.al)
		c.seen++
	case j.ss == 0:
		if j.take(1) == 1 {
			coef[0] |= 1 << j.al
		}
	case j.ah == 0:
		j.first(c, coef, &c.set[index])
	default:
		j.refine(c, coef, &c.set[index])
	}
}

// first reads the band of a block for the first time.
func (j *jpegReader) first(c scanned, coef []int16, set *uint64) {
	if j.eobrun > 0 {
		j.eobrun--
		return
	}
	for k := j.ss; k <= j.se; k++ {
		s := j.symbol(c.ac)
		run, size := s>>4, s&15
		if j.out {
			return
		}
		if size == 0 {
			if run != 15 {
				j.eobrun = 1<<run + j.take(run) - 1
				return
			}
			k += 15
			continue
		}
		k += run
		v := j.extend(size)
		if k > j.se || j.out {
			return
		}
		*set |= 1 << k
		if at := j.slot[k]; at >= 0 {
			coef[at] = int16(v << j.al)
		}
	}
}

// refine adds a bit to the band of a block.
func (j *jpegReader) refine(c scanned, coef []int16, set *uint64) {
	k := j.ss
	if j.eobrun == 0 {
		for ; k <= j.se; k++ {
			s := j.symbol(c.ac)
			run, size := s>>4, s&15
			if j.out {
				return
			}
			value := int16(0)
			switch {
			case size == 0 && run != 15:
				j.eobrun = 1<<run + j.take(run)
			case size == 0:
			case j.take(1) == 1:
				value = 1 << j.al
			default:
				value = -1 << j.al
			}
			if j.eobrun > 0 {
				break
			}
			if k = j.correct(coef, *set, k, run); j.out {
				return
			}
			if value != 0 && k <= j.se {
				*set |= 1 << k
				if at := j.slot[k]; at >= 0 {
					coef[at] = value
				}
			}
		}
	}
	if j.eobrun > 0 {
		j.eobrun--
		j.correct(coef, *set, k, -1)
	}
}

// correct reads a bit for each coefficient that is not 0, over so many that are; to the end of the band for -1.
func (j *jpegReader) correct(coef []int16, set uint64, k, zeros int) int {
	for ; k <= j.se; k++ {
		if set>>k&1 == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		if j.take(1) == 0 {
			continue
		}
		if at := j.slot[k]; at >= 0 {
			if coef[at] >= 0 {
				coef[at] += 1 << j.al
			} else {
				coef[at] -= 1 << j.al
			}
		}
	}
	return k
}

// picture turns coefficients into samples, and samples into colours.
func (j *jpegReader) picture() (Picture, error) {
	if j.comps == nil || j.comps[0].seen == 0 {
		return Picture{}, ErrBroken
	}
	basis := j.basis()
	planes := make([][]uint8, len(j.comps))
	for i := range j.comps {
		planes[i] = j.plane(&j.comps[i], basis)
	}
	w, h := max(1, over(j.width*j.side, 8)), max(1, over(j.height*j.side, 8))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	place := make([][]int, len(j.comps)) // for each component, where in its row the pixel of a column lies
	for i, c := range j.comps {
		place[i] = make([]int, w)
		for x := range w {
			place[i][x] = x * c.h / j.hmax
		}
	}
	colour := j.colours()
	var s [4]uint8
	for y := range h {
		row := img.Pix[y*img.Stride:]
		for x := range w {
			for i, c := range j.comps {
				s[i] = planes[i][y*c.v/j.vmax*c.across*j.side+place[i][x]]
			}
			r, g, b := colour(s)
			p := row[4*x : 4*x+4]
			p[0], p[1], p[2], p[3] = r, g, b, 255
		}
	}
	total := j.comps[0].wide * j.comps[0].high
	return Picture{Image: img, Done: min(1, float64(j.comps[0].seen)/float64(total))}, nil
}

// basis is the inverse transform of so many points, of the lowest of eight frequencies.
func (j *jpegReader) basis() (m [8][8]float32) {
	n := float64(j.side)
	for x := range j.side {
		for u := range j.side {
			a := math.Sqrt(2 / n)
			if u == 0 {
				a = math.Sqrt(1 / n)
			}
			m[x][u] = float32(math.Sqrt(n/8) * a * math.Cos((2*float64(x)+1)*float64(u)*math.Pi/(2*n)))
		}
	}
	return m
}

func (j *jpegReader) plane(c *component, m [8][8]float32) []uint8 {
	n := j.side
	stride := c.across * n
	out := make([]uint8, stride*c.down*n)
	var quant [64]float32
	for z, at := range j.slot {
		if at >= 0 {
			quant[at] = float32(c.table[z])
		}
	}
	var f, half [64]float32
	for by := range c.down {
		for bx := range c.across {
			coef := c.coef[(by*c.across+bx)*n*n:][:n*n]
			flat := true
			for i, v := range coef {
				f[i] = float32(v) * quant[i]
				flat = flat && (i == 0 || v == 0)
			}
			base := by*n*stride + bx*n
			if flat {
				v := clamp(f[0]/8 + 128.5)
				for y := range n {
					for x := range n {
						out[base+y*stride+x] = v
					}
				}
				continue
			}
			for v := range n {
				for x := range n {
					var sum float32
					for u := range n {
						sum += f[v*n+u] * m[x][u]
					}
					half[v*n+x] = sum
				}
			}
			for y := range n {
				for x := range n {
					var sum float32
					for v := range n {
						sum += half[v*n+x] * m[y][v]
					}
					out[base+y*stride+x] = clamp(sum + 128.5)
				}
			}
		}
	}
	return out
}

func clamp(v float32) uint8 {
	if v <= 0 {
		return 0
	}
	if v >= 255 {
		return 255
	}
	return uint8(v)
}

// colours tells how the samples of a pixel become red, green and blue, as libjpeg guesses it.
func (j *jpegReader) colours() func([4]uint8) (r, g, b uint8) {
	yuv := func(s [4]uint8) (uint8, uint8, uint8) {
		y, cb, cr := float32(s[0])+.5, float32(s[1])-128, float32(s[2])-128
		return clamp(y + 1.402*cr), clamp(y - 0.344136*cb - 0.714136*cr), clamp(y + 1.772*cb)
	}
	switch {
	case len(j.comps) == 1:
		return func(s [4]uint8) (uint8, uint8, uint8) { return s[0], s[0], s[0] }
	case len(j.comps) == 3 && (j.transform == 0 || j.transform < 0 && j.comps[0].id == 'R' && j.comps[1].id == 'G' && j.comps[2].id == 'B'):
		return func(s [4]uint8) (uint8, uint8, uint8) { return s[0], s[1], s[2] }
	case len(j.comps) == 3:
		return yuv
	}
	return func(s [4]uint8) (uint8, uint8, uint8) { // inks; Adobe writes them inverted
		c, m, y, k := s[0], s[1], s[2], s[3]
		if j.transform == 2 {
			c, m, y = yuv(s)
		}
		if j.transform < 0 {
			c, m, y, k = 255-c, 255-m, 255-y, 255-k
		}
		ink := func(v uint8) uint8 { return uint8(int(v) * int(k) / 255) }
		return ink(c), ink(m), ink(y)
	}
}
