package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fieldclue/media/thumb"
	"fieldclue/media/verify"
)

// examineVariable names the photo that a process examines instead of measuring: its memory is that of the examination
// alone.
const examineVariable = "FIELDCLUE_BENCH_EXAMINE"

// examined is what such a process says: how long each step took at its median, and its largest resident set in bytes.
type examined struct {
	Facts, Decode, Renditions, Hash, Whole time.Duration
	Peak                                   int64
}

// peakMemory is the largest resident set of this process since it was started, in bytes; 0 where the system does not
// tell. What a parent is told of its child (ru_maxrss) will not do: Linux counts there what the parent held when it
// started it.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	_, _ = fmt.Sscan(rest, &kilobytes) // 0 when it is not there
	return kilobytes * 1024
}

func examineApart(path string) error {
	var facts, decode, renditions, hash, whole times
	for range 9 {
		begin := time.Now()
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		f, err := verify.File(file)
		if err != nil {
			return err
		}
		read := time.Now()
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		img, err := jpeg.Decode(file) // what the child of media/sandbox does with such a photo
		if err != nil {
			return err
		}
		decoded := time.Now()
		r, err := thumb.Make(img, f.Orientation)
		if err != nil {
			return err
		}
		made := time.Now()
		if _, err := verify.PerceptualHash(r.Picture); err != nil {
			return err
		}
		end := time.Now()
		if err := file.Close(); err != nil {
			return err
		}
		facts, decode, renditions = append(facts, read.Sub(begin)), append(decode, decoded.Sub(read)), append(renditions, made.Sub(decoded))
		hash, whole = append(hash, end.Sub(made)), append(whole, end.Sub(begin))
	}
	half := func(t times) time.Duration { return t.sorted().at(.5) }
	return json.NewEncoder(os.Stdout).Encode(examined{half(facts), half(decode), half(renditions), half(hash), half(whole), peakMemory()})
}

// examine measures what becomes of one JPEG of 12 megapixels on one core, in a process of its own.
func examine(ctx context.Context, o options, say sayer) error {
	photo, err := camera(o.sizes.photo)
	if err != nil {
		return err
	}
	path := filepath.Join(o.dir, "photo.jpg")
	if err := os.WriteFile(path, photo, 0o600); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), examineVariable+"="+path, "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("the process that examines: %w", err)
	}
	var took examined
	if err := json.Unmarshal(out, &took); err != nil {
		return err
	}
	say("a JPEG of %d × %d and %.1f MB on one core, median of 9: %s (goal: 500 ms): facts %s, decoding %s, both renditions %s, hash %s",
		o.sizes.photo.X, o.sizes.photo.Y, float64(len(photo))/1e6, brief(took.Whole), brief(took.Facts), brief(took.Decode), brief(took.Renditions), brief(took.Hash))
	if took.Peak > 0 {
		say("peak resident set of that process: %d MB (goal: 130 MB)", took.Peak/1_000_000)
	}
	return nil
}

// camera makes a JPEG with as much detail as a photo of a phone has.
func camera(size image.Point) ([]byte, error) {
	img := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
	grain := rand.New(rand.NewPCG(1, 2))
	for y := range size.Y {
		for x := range size.X {
			img.Y[img.YOffset(x, y)] = uint8((x/16*7+y/16*3)%200 + grain.IntN(24))
		}
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = uint8(100+i%50), uint8(110+i%30)
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90})
	return b.Bytes(), err
}
