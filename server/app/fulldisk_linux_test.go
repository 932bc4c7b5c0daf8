package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fieldclue/media/blob/miniotest"
	"fieldclue/server/app"
	"fieldclue/server/config"
	"fieldclue/server/field"
)

// smallDisk names, to the child of TestAFullDisk, the directory on which it mounts its disk.
const smallDisk = "FIELDCLUE_TEST_SMALL_DISK"

const smallDiskSize = 48 << 20

// A disk that is really full: a file system of 48 MiB in memory, which only a child process sees, in a mount namespace
// of its own. That needs no root where the kernel lets people make user namespaces.
func TestAFullDisk(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { onSmallDisk(t, fullDisk) })
	t.Run("under MinIO", func(t *testing.T) { onSmallDisk(t, fullMinIO) })
}

// onSmallDisk runs this very test again in a child process, and there the story.
func onSmallDisk(t *testing.T, story func(t *testing.T, disk string)) {
	t.Helper()
	if at := os.Getenv(smallDisk); at != "" {
		mountSmall(t, at)
		story(t, at)
		return
	}
	parent, name, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run", "^"+parent+"$/^"+name+"$")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	for _, why := range []string{mayNotMount, "blob suite on MinIO: skipped"} {
		if bytes.Contains(out, []byte(why)) {
			t.Skipf("a full disk: skipped, %s", why)
		}
	}
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		t.Skipf("a full disk: skipped, %s (%v)", mayNotMount, err)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("%v\n%s", err, out)
	}
}

const mayNotMount = "the disk cannot be mounted"

func mountSmall(t *testing.T, at string) {
	t.Helper()
	err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") // nothing of this goes out
	if err == nil {
		err = syscall.Mount("tmpfs", at, "tmpfs", 0, fmt.Sprintf("size=%d", smallDiskSize))
	}
	if err != nil {
		t.Fatalf("%s: %v", mayNotMount, err)
	}
}

// fill takes all room on the disk but about so many bytes, and returns what gives it back.
func fill(t *testing.T, dir string, leave int64) (free func()) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "..", "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	take := int64(st.Bavail)*st.Bsize - leave
	for chunk := make([]byte, 64<<10); take > 0; take -= int64(len(chunk)) {
		if _, err := f.Write(chunk); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				break
			}
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// noise looks like a JPEG by its first bytes, and does not compress.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	x := seed | 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	copy(b, []byte{0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0})
	return b
}

func fullDisk(t *testing.T, disk string) {
	dir := filepath.Join(disk, "data")
	cfg := configured(t, dir)
	o := open(t, cfg)
	const size = 6 << 20
	begun, whole, quick := noise(size, 3), noise(size, 5), noise(200<<10, 7)
	photo, sum := o.declare(begun, "image/jpeg")
	one, oneSum := o.declare(whole, "image/jpeg")
	small, smallSum := o.declare(quick, "image/jpeg")
	upload := o.create(photo, sum, size)
	if status, _, answer := o.piece(upload, 0, begun[:1<<20]); status != 204 {
		t.Fatalf("with room: %d %s", status, answer)
	}

	// Photos on a disk that fills up: what was received stays, and little things still go on.
	free := fill(t, dir, 3<<20)
	status, head, answer := o.piece(upload, 1<<20, begun[1<<20:])
	later(t, "the rest on a full disk", status, head, answer, 507, field.CodeStorageFull)
	if at := o.offset(upload); at < 2<<20 {
		t.Fatalf("the upload stands at %d: what was received is lost", at)
	}
	free()
	free = fill(t, dir, 3<<20)
	status, head, answer = o.ask("POST", "/v1/uploads", o.ann, whole, o.tus(one, oneSum, size)...)
	later(t, "a whole photo on a full disk", status, head, answer, 507, field.CodeStorageFull)
	kept := o.offset(head.Get("Location"))
	if kept < 1<<20 {
		t.Errorf("of a whole photo that filled the disk %d bytes were kept", kept)
	}
	oneUpload := head.Get("Location")
	free()
	o.arrives(upload, photo, sum, begun)
	if at := o.offset(oneUpload); at != kept {
		t.Fatalf("what was received, %d, became %d", kept, at)
	}
	o.arrives(oneUpload, one, oneSum, whole)

	// No room at all: the log takes nothing, says so, and nothing is half-committed.
	free = fill(t, dir, 0)
	var refused int
	for range 400 { // the database has a little room of its own
		o.batch++
		status, head, answer = o.note(o.batch)
		if status == 507 {
			later(t, "a push without room", status, head, answer, 507, field.CodeStorageFull)
			if refused++; refused == 5 {
				break
			}
			o.batch-- // a phone sends it again
			continue
		}
		if status != 200 {
			t.Fatalf("a push on a full disk: %d %s", status, answer)
		}
	}
	if refused != 5 {
		t.Fatalf("%d pushes were refused without room", refused)
	}
	if status, _, answer := o.ask("GET", "/v1/records/"+string(one), o.desk, nil); status != 200 {
		t.Errorf("reading on a full disk: %d %s", status, answer)
	}
	status, head, answer = o.ask("POST", "/v1/uploads", o.ann, quick, o.tus(small, smallSum, len(quick))...)
	later(t, "a photo without room", status, head, answer, 507, field.CodeStorageFull)
	free()
	if status, _, answer := o.note(o.batch); status != 200 || !strings.Contains(string(answer), `"applied"`) {
		t.Fatalf("the same push when there is room again: %d %s", status, answer)
	}
	if _, _, rec := o.upload(o.ann, small, smallSum, quick); rec == nil {
		t.Fatal("the photo when there is room again")
	}
	sound(t, o.a, 3)
	stop(t, o.a)
	again := start(t, cfg)
	sound(t, again, 3)
}

// fullMinIO fills the disk under MinIO; the records lie elsewhere.
func fullMinIO(t *testing.T, disk string) {
	dir := filepath.Join(disk, "minio")
	s3, err := miniotest.Run(dir)
	if errors.Is(err, miniotest.ErrNoServer) && os.Getenv("FIELDCLUE_REQUIRE_ENGINES") != "1" {
		t.Skipf("blob suite on MinIO: skipped, %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s3.Kill)
	cfg := configured(t, t.TempDir())
	cfg.S3 = config.S3{Endpoint: s3.Endpoint, AccessKey: config.Secret(s3.AccessKey), SecretKey: config.Secret(s3.SecretKey), Bucket: "full"}
	o := open(t, cfg)
	const size = 6 << 20
	begun, whole := noise(size, 3), noise(size, 7)
	photo, sum := o.declare(begun, "image/jpeg")
	one, oneSum := o.declare(whole, "image/jpeg")
	upload := o.create(photo, sum, size)
	if status, _, answer := o.piece(upload, 0, begun[:1<<20]); status != 204 {
		t.Fatalf("with room: %d %s", status, answer)
	}
	free := fill(t, dir, 3<<20)
	var status int
	var head http.Header
	var answer []byte
	o.until("MinIO knows that its disk is full", func() bool { // until it has looked, a write that fails is a fault like others
		status, head, answer = o.piece(upload, 1<<20, begun[1<<20:])
		if status == 503 {
			later(t, "the rest on a full disk", status, head, answer, 503, field.CodeStoreDown)
		}
		if at := o.offset(upload); at != 1<<20 {
			t.Fatalf("the upload stands at %d", at)
		}
		return status != 503
	})
	later(t, "the rest on a full disk", status, head, answer, 507, field.CodeStorageFull)
	status, head, answer = o.ask("POST", "/v1/uploads", o.ann, whole, o.tus(one, oneSum, size)...)
	later(t, "a whole photo on a full disk", status, head, answer, 507, field.CodeStorageFull)
	free()
	o.until("MinIO has looked at its disk again", func() bool {
		status, _, _ := o.piece(upload, 1<<20, begun[1<<20:])
		return status == 204
	})
	o.arrives(upload, photo, sum, begun)
	o.arrives(head.Get("Location"), one, oneSum, whole)
	sound(t, o.a, 2)
}

// note pushes a finding that takes some room in the log.
func (o *office) note(batch int) (status int, head http.Header, answer []byte) {
	o.t.Helper()
	return o.ask("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": batch, "scope": o.scope, "operations": []obj{{
		"id": newID(), "kind": "report", "base": 0, "set": obj{"siteId": o.site, "templateId": newID(), "startedAt": "2026-11-01T08:00:00+08:00"},
	}}})
}

func sound(t *testing.T, a *app.App, photos int64) {
	t.Helper()
	report, err := a.Verify(t.Context())
	if err != nil || !report.Sound() || int64(report.Photos) != photos {
		t.Fatalf("%v\n%v", err, report)
	}
}
