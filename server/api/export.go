package api

import (
	"context"
	"io"
	"strconv"

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

// mostExports is how many case files are made at once: each holds the texts of its case in memory. One more is CodeBusy.
const mostExports = 2

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
	select {
	case s.exports <- struct{}{}:
	default:
		return field.Refuse(field.CodeBusy, "Other case files are being made; try again in a minute.")
	}
	// It takes longer than other requests, and goes on after the handler has returned.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), sendTime)
	end := func() { cancel(); <-s.exports }
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
