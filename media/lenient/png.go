package lenient

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"io"
)

// mostPixels bounds the work on a PNG: each takes some nanoseconds.
const mostPixels = 400_000_000

// pngReader is one file on its way.
type pngReader struct {
	width, height int
	depth, colour int
	interlaced    bool
	palette       [256][4]uint8
	key           [3]int // the colour that is transparent; -1: none
	channels      int

	by    int // so many pixels a side become one
	w, h  int
	sums  []uint32 // red, green and blue of each pixel that comes out
	count []uint32
	rows  int // lines that were read, of all passes
	all   int
}

// PNG decodes a file so that the longer side of the picture is at least the given one where the file has as much. Of an
// animation it shows the picture that stands for it. Checksums are not looked at.
func PNG(file []byte, longer int) (Picture, error) {
	p := &pngReader{key: [3]int{-1, -1, -1}}
	data, err := p.chunks(file)
	if err != nil {
		return Picture{}, err
	}
	p.by = max(1, max(p.width, p.height)/longer)
	p.w, p.h = over(p.width, p.by), over(p.height, p.by)
	p.sums, p.count = make([]uint32, 3*p.w*p.h), make([]uint32, p.w*p.h)
	z, err := zlib.NewReader(data)
	if err != nil {
		return Picture{}, ErrBroken
	}
	in := bufio.NewReaderSize(z, 64<<10)
	passes := [][4]int{{0, 0, 1, 1}}
	if p.interlaced {
		passes = [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
	}
	for _, pass := range passes {
		if p.width > pass[0] {
			p.all += max(0, over(p.height-pass[1], pass[3]))
		}
	}
	for _, pass := range passes {
		if !p.pass(in, pass[0], pass[1], pass[2], pass[3]) {
			break
		}
	}
	if p.rows == 0 {
		return Picture{}, ErrBroken
	}
	return Picture{Image: p.picture(), Done: float64(p.rows) / float64(p.all)}, nil
}

// chunks reads the headers, and gives the compressed data.
func (p *pngReader) chunks(file []byte) (io.Reader, error) {
	if len(file) < 33 || string(file[12:16]) != "IHDR" {
		return nil, ErrBroken
	}
	head := file[16:29]
	w, h := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
	p.depth, p.colour, p.interlaced = int(head[8]), int(head[9]), head[12] == 1
	p.channels = map[int]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[p.colour]
	deep := p.depth == 8 || p.depth == 16 && p.colour != 3
	shallow := (p.depth == 1 || p.depth == 2 || p.depth == 4) && (p.colour == 0 || p.colour == 3)
	switch {
	case w == 0 || h == 0 || p.channels == 0 || !deep && !shallow || head[10] != 0 || head[11] != 0 || head[12] > 1:
		return nil, ErrBroken
	case uint64(w)*uint64(h) > mostPixels || w > 1<<20 || h > 1<<20:
		return nil, ErrTooBig
	}
	p.width, p.height = int(w), int(h)
	for i := range p.palette {
		p.palette[i] = [4]uint8{0, 0, 0, 255}
	}
	var data []io.Reader
	for rest := file[33:]; len(rest) >= 8; {
		size, name := uint64(binary.BigEndian.Uint32(rest)), string(rest[4:8])
		body := rest[8:min(8+size, uint64(len(rest)))]
		switch name {
		case "PLTE":
			for i := 0; i < 256 && 3*i+3 <= len(body); i++ {
				copy(p.palette[i][:3], body[3*i:])
			}
		case "tRNS":
			p.transparent(body)
		case "IDAT":
			data = append(data, bytes.NewReader(body))
		case "IEND":
			return io.MultiReader(data...), nil
		}
		rest = rest[min(12+size, uint64(len(rest))):]
	}
	return io.MultiReader(data...), nil
}

func (p *pngReader) transparent(body []byte) {
	if p.colour == 3 {
		for i := 0; i < len(body) && i < 256; i++ {
			p.palette[i][3] = body[i]
		}
		return
	}
	for i := 0; i < 3 && 2*i+2 <= len(body); i++ {
		p.key[i] = int(binary.BigEndian.Uint16(body[2*i:]))
	}
}

// pass reads the lines of one pass, which lie so far apart; false at the end of the data.
func (p *pngReader) pass(in *bufio.Reader, x0, y0, dx, dy int) bool {
	if x0 >= p.width || y0 >= p.height {
		return true
	}
	across := over(p.width-x0, dx)
	size := (across*p.channels*p.depth + 7) / 8
	step := max(1, p.channels*p.depth/8)
	line, before := make([]byte, 1+size), make([]byte, 1+size)
	for y := y0; y < p.height; y += dy {
		if _, err := io.ReadFull(in, line); err != nil {
			return false
		}
		if line[0] > 4 {
			return false
		}
		unfilter(int(line[0]), line[1:], before[1:], step)
		p.add(line[1:], across, x0, dx, y)
		p.rows++
		line, before = before, line
	}
	return true
}

// unfilter undoes the filter of a line (PNG, clause 9).
func unfilter(kind int, line, before []byte, step int) {
	switch kind {
	case 1:
		for i := step; i < len(line); i++ {
			line[i] += line[i-step]
		}
	case 2:
		for i := range line {
			line[i] += before[i]
		}
	case 3:
		for i := range line {
			left := 0
			if i >= step {
				left = int(line[i-step])
			}
			line[i] += byte((left + int(before[i])) / 2)
		}
	case 4:
		for i := range line {
			var a, c int
			if i >= step {
				a, c = int(line[i-step]), int(before[i-step])
			}
			b := int(before[i])
			pa, pb, pc := b-c, a-c, a+b-2*c
			pa, pb, pc = max(pa, -pa), max(pb, -pb), max(pc, -pc)
			switch {
			case pa <= pb && pa <= pc:
				line[i] += byte(a)
			case pb <= pc:
				line[i] += byte(b)
			default:
				line[i] += byte(c)
			}
		}
	}
}

// add adds the pixels of a line to those that come out.
func (p *pngReader) add(line []byte, across, x0, dx, y int) {
	row := y / p.by * p.w
	var s [4]int
	for i := range across {
		p.sample(line, i, &s)
		var r, g, b, a int
		switch {
		case p.colour == 3:
			c := p.palette[s[0]&255]
			r, g, b, a = int(c[0]), int(c[1]), int(c[2]), int(c[3])
		case p.channels < 3:
			v := p.eight(s[0])
			r, g, b, a = v, v, v, 255
			if p.channels == 2 {
				a = p.eight(s[1])
			} else if s[0] == p.key[0] {
				a = 0
			}
		default:
			r, g, b, a = p.eight(s[0]), p.eight(s[1]), p.eight(s[2]), 255
			if p.channels == 4 {
				a = p.eight(s[3])
			} else if s[0] == p.key[0] && s[1] == p.key[1] && s[2] == p.key[2] {
				a = 0
			}
		}
		at := row + (x0+i*dx)/p.by
		sum := p.sums[3*at : 3*at+3]
		sum[0] += uint32(r*a+255*(255-a)) / 255 // on white
		sum[1] += uint32(g*a+255*(255-a)) / 255
		sum[2] += uint32(b*a+255*(255-a)) / 255
		p.count[at]++
	}
}

func (p *pngReader) sample(line []byte, i int, s *[4]int) {
	switch p.depth {
	case 16:
		for c := range p.channels {
			s[c] = int(line[2*(i*p.channels+c)])<<8 | int(line[2*(i*p.channels+c)+1])
		}
	case 8:
		for c := range p.channels {
			s[c] = int(line[i*p.channels+c])
		}
	default:
		bit := i * p.depth
		s[0] = int(line[bit/8]) >> (8 - p.depth - bit%8) & (1<<p.depth - 1)
	}
}

func (p *pngReader) eight(v int) int {
	if p.depth == 16 {
		return v >> 8
	}
	return v * 255 / (1<<p.depth - 1)
}

// picture divides the sums. Where nothing was read it stays grey.
func (p *pngReader) picture() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, p.w, p.h))
	for at, n := range p.count {
		px := img.Pix[4*at : 4*at+4]
		px[0], px[1], px[2], px[3] = 128, 128, 128, 255
		if n > 0 {
			for c := range 3 {
				px[c] = uint8(p.sums[3*at+c] / n)
			}
		}
	}
	return img
}
