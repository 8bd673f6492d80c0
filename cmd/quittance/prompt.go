package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// asker reads what people type, and what scripts pipe in. What it asks goes to standard
// error: standard output is for results.
type asker struct {
	in   *bufio.Reader
	out  io.Writer
	file *os.File // the terminal, nil if there is none
}

func newAsker(c *cobra.Command) *asker {
	a := &asker{in: bufio.NewReader(c.InOrStdin()), out: c.ErrOrStderr()}
	if f, ok := c.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.file = f
	}
	return a
}

// maxTyped bounds what is read as one line.
const maxTyped = 4096

// secret asks for something that is not shown while it is typed.
func (a *asker) secret(prompt string) (string, error) {
	if a.file == nil {
		return a.line()
	}
	// Raw before the prompt is there: who types at once is not shown either.
	before, err := term.MakeRaw(int(a.file.Fd()))
	if err != nil {
		return "", fmt.Errorf("preparing the terminal: %w", err)
	}
	typed, err := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{a.file, a.out}, "").ReadPassword(prompt + ": ")
	if err = errors.Join(err, term.Restore(int(a.file.Fd()), before)); err != nil {
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	return strings.TrimSpace(typed), nil
}

func (a *asker) line() (string, error) {
	line, err := a.in.ReadString('\n')
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", errors.New("standard input ended where something was to be typed")
	}
	if len(line) > maxTyped {
		return "", errors.New("the line is too long")
	}
	return strings.TrimSpace(line), nil
}

var errDeclined = errors.New("nothing was done")

// confirm asks whether to go on.
func (a *asker) confirm(question string) error {
	_, _ = fmt.Fprint(a.out, question+" Type yes to go on: ") // a prompt that cannot be written is not needed
	said, err := a.line()
	if err != nil {
		return err
	}
	if said != "yes" {
		return errDeclined
	}
	return nil
}
