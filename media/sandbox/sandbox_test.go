package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gen2brain/heic"

	"fieldclue/server/field"
)

// The hidden arguments of the children of these tests.
const (
	workHang  = "test-hang"
	workEat   = "test-eat"
	workSpin  = "test-spin"
	workWait  = "test-wait"
	workFlood = "test-flood"
	workWrite = "test-write"
	workTell  = "test-environment"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "test-") {
		confine()
		misbehave(os.Args[1])
		os.Exit(0)
	}
	Main()
	os.Exit(m.Run())
}

func misbehave(how string) {
	switch how {
	case workHang:
		time.Sleep(time.Hour)
	case workSpin:
		for sum := sha256.Sum256(nil); ; {
			sum = sha256.Sum256(sum[:])
		}
	case workWait: // for longer than it may work
		time.Sleep(2 * time.Second)
		var q question
		_ = binary.Read(os.Stdin, binary.BigEndian, &q) // the test shows it
		_ = binary.Write(os.Stdout, binary.BigEndian, answer{Number: q.Number, How: broken})
	case workEat:
		var all [][]byte
		for range 64 {
			b := make([]byte, 64<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			all = append(all, b)
		}
		pretend(image.Rect(0, 0, len(all), 1)) // it ate 4 GiB
	case workFlood:
		for {
			if _, err := os.Stdout.Write(make([]byte, 1<<16)); err != nil {
				os.Exit(1)
			}
		}
	case workWrite: // whether it may write files
		if f, err := os.CreateTemp("", "sandbox"); err == nil {
			_, err = f.Write([]byte("x"))
			_ = os.Remove(f.Name()) // a temporary file
			if err == nil {
				pretend(image.Rect(0, 0, 1, 1))
			}
		}
	case workTell:
		fmt.Fprintln(os.Stderr, os.Environ())
		os.Exit(3)
	}
}

// pretend answers with a picture, on which the test fails.
func pretend(r image.Rectangle) {
	var q question
	_ = binary.Read(os.Stdin, binary.BigEndian, &q) // as the one below, the test shows it
	_ = binary.Write(os.Stdout, binary.BigEndian, answer{Number: q.Number})
	_ = writePicture(os.Stdout, image.NewRGBA(r)) // the same
}

func file(t *testing.T, content []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "photo")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // only read
	return f
}

// refused expects that a child failed on the file and that the next one works again.
func refused(t *testing.T, d *Decoder, content string, code field.Code, words string) {
	t.Helper()
	img, err := d.Decode(t.Context(), file(t, []byte(content)))
	if img.Image != nil || !field.Is(err, code) || !strings.Contains(field.AsError(err).Sentence(), words) {
		t.Fatalf("%v, %v", img, err)
	}
	d.work = workDecode
	if _, err := d.Decode(t.Context(), file(t, []byte("garbage"))); !field.Is(err, field.CodeNotAPhoto) {
		t.Fatalf("the next picture: %v", err)
	}
}

// With another purego in go.mod the server would be a dynamic program that loads the libheif of the machine.
func TestNoLibraryOfTheMachineIsLoaded(t *testing.T) {
	err := heic.Dynamic()
	if err == nil || !strings.Contains(err.Error(), "not a dynamic binary") && !strings.Contains(err.Error(), "no library is loaded") {
		t.Fatal(err)
	}
}

func TestGarbageIsABrokenPicture(t *testing.T) {
	for _, b := range []string{"", "garbage", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + strings.Repeat("\xff", 1000)} {
		refused(t, New(Limits{}), b, field.CodeNotAPhoto, "The image is broken.")
	}
}

func TestAChildThatHangsIsKilled(t *testing.T) {
	d := New(Limits{Wall: 300 * time.Millisecond})
	d.work = workHang
	begin := time.Now()
	img, err := d.Decode(t.Context(), file(t, nil))
	if img.Image != nil || !field.Is(err, field.CodeNotAPhoto) || !strings.Contains(field.AsError(err).Sentence(), "took longer") {
		t.Fatalf("%v, %v", img, err)
	}
	if time.Since(begin) > time.Minute {
		t.Fatal("the child was waited for")
	}
}

// A child counts by what it had of the processor: one that works without end is killed, one that only has to wait for
// the processor is not.
func TestABusyMachineIsNotTheFilesFault(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processor time: skipped, " + runtime.GOOS + " does not tell it")
	}
	d := New(Limits{Time: 300 * time.Millisecond, Wall: time.Hour})
	d.work = workSpin
	refused(t, d, "", field.CodeNotAPhoto, "took longer")

	d = New(Limits{Time: time.Second, Wall: time.Hour})
	d.work = workWait
	if _, err := d.Decode(t.Context(), file(t, nil)); err == nil || errors.Is(err, ErrLimits) {
		t.Fatalf("after a child that waited: %v", err)
	}
}

func TestAChildThatEatsMemoryEndsByItself(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the bound on memory: skipped, " + runtime.GOOS + " does not hold it")
	}
	d := New(Limits{Memory: 256 << 20})
	d.work = workEat
	refused(t, d, "", field.CodeNotAPhoto, "more than 256 MiB")
}

func TestAChildThatTalksTooMuchIsNotHeard(t *testing.T) {
	d := New(Limits{})
	d.work = workFlood
	refused(t, d, "", field.CodeNotAPhoto, "failed on the picture")
}

func TestAChildWritesNoFileAndKnowsNoSecret(t *testing.T) {
	d := New(Limits{})
	d.work = workWrite
	refused(t, d, "", field.CodeNotAPhoto, "failed on the picture")
	t.Setenv("FIELDCLUE_SECRET", "open sesame")
	d = New(Limits{})
	d.work = workTell
	_, err := d.Decode(t.Context(), file(t, nil))
	var said *head
	if !errors.As(err, &said) || !strings.Contains(said.Error(), "GOMEMLIMIT") || strings.Contains(said.Error(), "sesame") {
		t.Fatalf("%v", err)
	}
}

func TestWhoGivesUpWaitingIsNotToldThatThePictureIsBroken(t *testing.T) {
	d := New(Limits{})
	d.work = workHang
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := d.Decode(ctx, file(t, nil)); !errors.Is(err, context.Canceled) {
		t.Fatalf("while it was decoded: %v", err)
	}
	<-d.turns // somebody decodes
	if _, err := d.Decode(ctx, file(t, nil)); !errors.Is(err, context.Canceled) {
		t.Fatalf("while it waited for its turn: %v", err)
	}
}

func encoded(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i >> 9)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A child decodes one file after the other, also after a broken one; one that hangs is replaced, and one that had
// waited and is gone is nobody's fault.
func TestAChildWorksOn(t *testing.T) {
	d := New(Limits{})
	process := func() int {
		c := <-d.turns
		defer func() { d.turns <- c }()
		return c.cmd.Process.Pid
	}
	decode := func(content []byte) (Picture, error) { return d.Decode(t.Context(), file(t, content)) }
	whole := encoded(t, 60, 40)
	if p, err := decode(whole); err != nil || p.Image.Rect != image.Rect(0, 0, 60, 40) || p.Done != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	first := process()
	if _, err := decode([]byte("garbage")); !field.Is(err, field.CodeNotAPhoto) {
		t.Fatal(err)
	}
	if p, err := decode(whole[:len(whole)*2/3]); err != nil || p.Done >= 1 || p.Done < .3 || process() != first {
		t.Fatalf("%+v, %v, by %d after %d", p.Done, err, process(), first)
	}
	c := <-d.turns
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.turns <- c
	if _, err := decode(whole); err != nil || process() == first {
		t.Fatalf("%v, by %d after %d", err, process(), first)
	}
}

// A child that has worked for long is replaced, and one that rests for long ends.
func TestAChildIsNotKeptForEver(t *testing.T) {
	d := New(Limits{Time: time.Hour})
	if _, err := d.Decode(t.Context(), file(t, encoded(t, 8, 8))); err != nil {
		t.Fatal(err)
	}
	d.tidy()
	c := <-d.turns
	if c == nil {
		t.Fatal("a child that has just worked was ended")
	}
	c.worked = 2 * time.Hour
	d.rest(c)
	if c = <-d.turns; c != nil {
		t.Fatal("a child that has worked for long was kept")
	}
	d.turns <- nil
	if _, err := d.Decode(t.Context(), file(t, encoded(t, 8, 8))); err != nil {
		t.Fatal(err)
	}
	c = <-d.turns
	c.since = c.since.Add(-time.Minute)
	d.turns <- c
	d.tidy()
	if c = <-d.turns; c != nil {
		t.Fatal("a child that rested for long was kept")
	}
}

// One that rests ends wherever it stands among the turns, and all do when the decoder is closed.
func TestChildrenEndWhereverTheyRest(t *testing.T) {
	d := New(Limits{Children: 3, Time: time.Hour})
	resting := func() *child {
		if _, err := d.Decode(t.Context(), file(t, encoded(t, 8, 8))); err != nil {
			t.Fatal(err)
		}
		for range 2 { // it went to the end
			d.turns <- <-d.turns
		}
		c := <-d.turns
		d.turns <- c
		return c
	}
	c := resting()
	c.since = c.since.Add(-time.Minute)
	d.tidy()
	if c.cmd.ProcessState == nil {
		t.Error("one that rested for long behind others was kept")
	}
	c = resting()
	d.Close()
	if c.cmd.ProcessState == nil {
		t.Error("one was kept by a decoder that was closed")
	}
}

// A machine that cannot start a process now can the next time.
func TestAChildThatCannotBeStartedIsNotKept(t *testing.T) {
	d := New(Limits{})
	defer d.Close()
	d.work = "no\x00name"
	for range 2 {
		if _, err := d.Decode(t.Context(), file(t, encoded(t, 8, 8))); err == nil || field.Is(err, field.CodeNotAPhoto) {
			t.Fatal(err)
		}
	}
	d.work = workDecode
	if _, err := d.Decode(t.Context(), file(t, encoded(t, 8, 8))); err != nil {
		t.Fatal(err)
	}
}

// What a child writes before it is asked is not an answer.
func TestAnAnswerBelongsToItsQuestion(t *testing.T) {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.BigEndian, answer{Number: 7}); err != nil {
		t.Fatal(err)
	}
	if err := writePicture(&b, image.NewRGBA(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(bytes.NewReader(b.Bytes()), 8); !errors.Is(err, errPicture) {
		t.Fatal(err)
	}
	if p, _, err := read(bytes.NewReader(b.Bytes()), 7); err != nil || p.Image.Rect.Dx() != 1 {
		t.Fatal(p, err)
	}
}

// The made files beside the checkout, each odd in its own way: what browsers show comes back, whatever it costs them,
// and no child needs more memory than it is given.
func TestOddFiles(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "images", "odd")
	names, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(names) == 0 {
		t.Skip("odd files: skipped, ../shared/images/odd is not there")
	}
	d := New(Limits{Memory: 400 << 20})
	for _, name := range names {
		short := filepath.Base(name)
		if strings.HasSuffix(short, ".md") {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.Decode(t.Context(), f)
		_ = f.Close()                        // only read
		if strings.HasPrefix(short, "j02") { // no browser shows it
			if !field.Is(err, field.CodeUnsupportedType) {
				t.Errorf("%s: %v", short, err)
			}
			continue
		}
		if err != nil || p.Done < .99 {
			t.Errorf("%s: %.3f of it, %v", short, p.Done, err)
		}
	}
}

func TestAPictureComesBackAsItWas(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 7, 5))
	for i := range img.Pix {
		img.Pix[i] = byte(i)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	if err := writePicture(&b, img); err != nil {
		t.Fatal(err)
	}
	got, err := readPicture(bytes.NewReader(b.Bytes()))
	if err != nil || !bytes.Equal(got.Pix, img.Pix) || got.Rect != img.Rect {
		t.Fatalf("%v %v", got, err)
	}
	if got, err := readPicture(bytes.NewReader(b.Bytes()[:b.Len()-1])); err == nil {
		t.Fatalf("a byte too few: %v", got)
	}
}

func FuzzReadPicture(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4})
	f.Add([]byte{0, 0, 6, 64, 255, 255, 255, 255})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := readPicture(bytes.NewReader(b))
		if err == nil && (len(b) < 8+len(img.Pix) || img.Rect.Dx() > MaxSide || img.Rect.Dy() > MaxSide || !img.Opaque()) {
			t.Fatalf("%v of %d bytes", img.Rect, len(b))
		}
	})
}

// The photos beside the checkout, made by phones.
func TestPhotosOfPhones(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "images", "heic")
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("HEIC photos of phones: skipped, ../shared/images/heic is not there")
	}
	if err != nil {
		t.Fatal(err)
	}
	d := New(Limits{Memory: 1536 << 20})
	for _, n := range names {
		t.Run(n.Name(), func(t *testing.T) {
			f, err := os.Open(filepath.Join(dir, n.Name()))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }() // only read
			p, err := d.Decode(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			img := p.Image
			if long := max(img.Rect.Dx(), img.Rect.Dy()); long > MaxSide || long < 320 {
				t.Fatal(img.Rect)
			}
			seen := map[color.RGBA]bool{}
			for i := 0; i < len(img.Pix); i += 4001 * 4 {
				seen[color.RGBA{img.Pix[i], img.Pix[i+1], img.Pix[i+2], 255}] = true
			}
			if len(seen) < 20 {
				t.Fatalf("only %d colours: this is no photo", len(seen))
			}
		})
	}
}

// Bytes of such a photo are changed here and there: what comes back is a picture or a refusal, and a child each time.
func TestDamagedPhotosOfPhones(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "images", "heic", "samplefilehub.heif"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("damaged HEIC photos: skipped, ../shared/images/heic is not there")
	}
	if err != nil {
		t.Fatal(err)
	}
	dice, d := rand.New(rand.NewPCG(1, 2)), New(Limits{Memory: 1536 << 20})
	for range 10 {
		b := bytes.Clone(whole)
		for range 1 + dice.IntN(20) {
			b[12+dice.IntN(1000)] = byte(dice.Uint32()) // the boxes that say what lies where
		}
		if img, err := d.Decode(t.Context(), file(t, b)); (img.Image == nil) == (err == nil) || err != nil && !field.Is(err, field.CodeNotAPhoto) && !field.Is(err, field.CodePhotoTooBig) {
			t.Fatalf("%v, %v", img, err)
		}
	}
}
