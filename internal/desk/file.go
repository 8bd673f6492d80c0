package desk

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"

	"quittance/internal/bank/camt"
	"quittance/internal/fault"
)

// The limits of what is imported at once. An archive may be small and hold a lot.
const (
	maxStatementFile = camt.MaxBytes     // bytes, packed
	maxUnpacked      = 2 * camt.MaxBytes // bytes of all files of an archive
	maxArchived      = 500               // files of an archive
	maxShownName     = 80                // characters of a file's name
)

// readStatement is a statement file and what it is called in its archive.
type readStatement struct {
	name string
	file *camt.File
}

// place is where something is, for people.
func (x readStatement) place(in string) string {
	if x.name == "" {
		return in
	}
	return x.name + ", " + in
}

// refused says why a file is not taken.
func refused(code, format string, args ...any) *fault.Error {
	return fault.Field("file", code, fmt.Sprintf(format, args...))
}

// openStatements reads a statement file, or all that are in a ZIP archive: files whose name
// ends with .xml, and of those the ones that are camt.053. The others are told by their
// names. Archives in archives are not opened.
//
// Faults: Invalid on "file". If one statement file is refused, all are.
func openStatements(file []byte) (read []readStatement, passed []string, err error) {
	if len(file) > maxStatementFile {
		return nil, nil, refused("too_large", "The file has more than %d MB.", maxStatementFile>>20)
	}
	if !bytes.HasPrefix(file, []byte("PK\x03\x04")) && !bytes.HasPrefix(file, []byte("PK\x05\x06")) {
		f, err := camt.Parse(bytes.NewReader(file))
		if err != nil {
			return nil, nil, unreadable("", err)
		}
		return []readStatement{{file: f}}, nil, nil
	}
	archive, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, nil, refused("broken_archive", "The archive is broken.").Because(err)
	}
	if len(archive.File) > maxArchived {
		return nil, nil, refused("too_many_files", "The archive holds more than %d files.", maxArchived)
	}
	return openArchive(archive)
}

func openArchive(archive *zip.Reader) (read []readStatement, passed []string, err error) {
	left, entries := maxUnpacked, 0
	for _, f := range archive.File {
		name := shown(f.Name)
		switch {
		case f.FileInfo().IsDir() || strings.HasPrefix(f.Name, "__MACOSX/"):
			continue
		case !strings.EqualFold(path.Ext(f.Name), ".xml"):
			passed = append(passed, name)
			continue
		case f.Flags&1 != 0:
			return nil, nil, refused("encrypted", "%s is encrypted.", name)
		}
		parsed, err := parseArchived(f, &left)
		if e, ok := errors.AsType[*camt.Error](err); ok && e.Reason == camt.WrongMessage {
			passed = append(passed, name)
			continue
		}
		if err != nil {
			return nil, nil, unreadable(name, err)
		}
		for _, s := range parsed.Statements {
			entries += len(s.Entries) + len(s.Skipped)
		}
		if entries > camt.MaxEntries {
			return nil, nil, refused(string(camt.TooMany), "The archive's statements have more than %d bookings.", camt.MaxEntries)
		}
		read = append(read, readStatement{name, parsed})
	}
	if len(read) == 0 {
		return nil, nil, refused("no_statement", "There is no camt.053 statement in the archive.")
	}
	return read, passed, nil
}

func parseArchived(f *zip.File, left *int) (*camt.File, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	parsed, err := camt.Parse(&unpacking{r, left})
	return parsed, errors.Join(err, r.Close())
}

// errUnpacked is an archive that holds more than is read of one.
var errUnpacked = errors.New("the archive holds too much")

// unpacking reads out of an archive as long as there is something left to be read of it,
// whatever the archive says of its files' sizes.
type unpacking struct {
	in   io.Reader
	left *int
}

// Read implements io.Reader.
func (u *unpacking) Read(p []byte) (int, error) {
	if *u.left <= 0 {
		return 0, errUnpacked
	}
	n, err := u.in.Read(p[:min(len(p), *u.left)])
	*u.left -= n
	return n, err
}

// unreadable says in words why a statement file is refused. name is its name in an archive.
func unreadable(name string, err error) error {
	what := "The file"
	if name != "" {
		what = name
	}
	if errors.Is(err, errUnpacked) {
		return refused(string(camt.TooLarge), "The archive's files have more than %d MB.", maxUnpacked>>20).Because(err)
	}
	e, ok := errors.AsType[*camt.Error](err)
	if !ok { // the archive's own form: names and sizes that do not fit, wrong sums
		return refused("broken_archive", "%s cannot be read.", what).Because(err)
	}
	why := map[camt.Reason]string{
		camt.TooLarge: "is too large", camt.TooMany: "has too many bookings, or too many lines in one", camt.TooDeep: "is nested too deep",
		camt.Malformed: "is no XML in the order that statements have", camt.HasDTD: "has a document type, which no statement has",
		camt.WrongEncoding: "is not UTF-8", camt.WrongMessage: "is no account statement (camt.053)",
		camt.WrongVersion: "is of a version that is not read: camt.053.001.02 and camt.053.001.08 are",
	}[e.Reason]
	return refused(string(e.Reason), "%s %s (line %d).", what, why, e.Line).Because(err)
}

// shown is a file's name for people: what could be mistaken is left out.
func shown(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return '_'
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > maxShownName {
		name = string(runes[:maxShownName]) + "…"
	}
	return name
}
