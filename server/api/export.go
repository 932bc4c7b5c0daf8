package api

import (
	"context"
	"io"
	"strconv"
	"sync"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/access"
	"fieldclue/server/casefile"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// Cases puts the files of cases together: all that a filter shows. The contract stands in server/casefile.
type Cases interface {
	Gather(ctx context.Context, visible access.Filter, clue field.ClueID) (*casefile.File, error)
}

// How many case files are made at once, in all and of one person: each holds the texts of its case in memory for as
// long as who takes it along reads.
const (
	mostExports   = 4
	exportsOfUser = 2
)

// exports counts the case files that are being made.
type exports struct {
	mu   sync.Mutex
	all  int
	user map[field.UserID]int
}

// begin takes a place, which end gives back. CodeTooMany: the person has as many as one may; CodeBusy: others have.
func (x *exports) begin(user field.UserID) (end func(), err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.user[user] == exportsOfUser:
		return nil, field.Refuse(field.CodeTooMany, "You are taking %d case files along already; wait for the end of one.", exportsOfUser).
			InChinese("您正在导出 %d 份案卷，请等其中一份完成。", exportsOfUser)
	case x.all == mostExports:
		return nil, field.Refuse(field.CodeBusy, "Other case files are being made; try again in a minute.").InChinese("正在生成其他案卷，请一分钟后重试。")
	}
	x.all++
	x.user[user]++
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.all--
		if x.user[user]--; x.user[user] == 0 {
			delete(x.user, user)
		}
	}, nil
}

// exportClue sends the file of a case. That it leaves, with its SHA-256, is in the log before its first byte does.
func (s *Server) exportClue(c *fiber.Ctx) (err error) {
	id, err := idIn(c)
	if err != nil {
		return err
	}
	act, err := actOf(c)
	if err != nil {
		return err
	}
	clue, err := s.flow.ExportableClue(c.UserContext(), act, field.ClueID(id))
	if err != nil {
		return err
	}
	done, err := s.exports.begin(act.Actor.User)
	if err != nil {
		return err
	}
	// It takes longer than other requests, and goes on after the handler has returned.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), sendTime)
	end := func() { cancel(); done() }
	defer func() {
		if err != nil {
			end()
		}
	}()
	file, err := s.cases.Gather(ctx, access.Visible(act.Actor), field.ClueID(id))
	if err != nil {
		return err
	}
	sum, size, err := file.Write(ctx, io.Discard)
	if err != nil {
		return err
	}
	if _, err := s.flow.RecordExport(ctx, act, workflow.Exported{Clue: clue, SHA256: sum, Size: size, Photos: file.Photos}); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/zip")
	c.Set(fiber.HeaderContentDisposition, "attachment; filename="+strconv.Quote(file.Name()))
	c.Set(fiber.HeaderETag, strconv.Quote(sum))
	r, w := io.Pipe()
	go func() {
		_, _, err := file.Write(ctx, w)
		_ = w.CloseWithError(err) // never fails
	}()
	c.Context().SetBodyStream(&ending{ReadCloser: r, cancel: end}, int(size)) // fasthttp closes it
	return nil
}
