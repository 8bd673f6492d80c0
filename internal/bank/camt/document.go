package camt

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"quittance/internal/bank"
)

// document reads the whole of a file.
func (r *reader) document() (*File, error) {
	f, err := r.root()
	if err != nil {
		return nil, err
	}
	err = r.each(func(name string, _ xml.StartElement) error {
		if name == "BkToCstmrStmt" {
			return r.message(f)
		}
		return r.skip()
	}, "BkToCstmrStmt")
	if err != nil {
		return nil, err
	}
	if len(f.Statements) == 0 {
		return nil, r.fail(Malformed, "there is no statement in it")
	}
	for {
		t, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			return f, nil
		case err != nil:
			return nil, err
		}
		if text, ok := t.(xml.CharData); !ok || strings.TrimSpace(string(text)) != "" {
			return nil, r.fail(Malformed, "something behind the document")
		}
	}
}

// root finds the document's first element, and by its namespace what message it is.
func (r *reader) root() (*File, error) {
	for {
		t, err := r.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil, r.fail(Malformed, "it is empty")
			}
			return nil, err
		}
		s, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		message, ok := strings.CutPrefix(s.Name.Space, namespace)
		switch {
		case s.Name.Local != "Document" || !ok || !strings.HasPrefix(message, "camt.053."):
			return nil, r.fail(WrongMessage, fmt.Sprintf("%q in %q is no bank statement (camt.053)", short(s.Name.Local), short(s.Name.Space)))
		case Version(message) != V02 && Version(message) != V08:
			return nil, r.fail(WrongVersion, short(message)+" is not read: ask the bank for "+string(V08)+" or "+string(V02))
		}
		r.space = s.Name.Space
		return &File{Version: Version(message)}, nil
	}
}

func (r *reader) message(f *File) error {
	return r.each(func(name string, _ xml.StartElement) error {
		switch name {
		case "GrpHdr":
			return r.path(&f.Message, "MsgId")
		case "Stmt":
			s, err := r.statement(f, len(f.Statements)+1)
			f.Statements = append(f.Statements, s)
			return err
		}
		return r.skip()
	}, "GrpHdr")
}

func (r *reader) statement(f *File, number int) (Statement, error) {
	var s Statement
	named, entries := false, 0
	r.same = map[string]int{} // a statement that stands twice in a file tells of nothing new
	err := r.each(func(name string, _ xml.StartElement) error {
		switch name {
		case "Id":
			return r.into(&s.ID)
		case "Acct":
			if entries > 0 {
				return r.fail(Malformed, "the account is named behind its entries")
			}
			named = true
			return r.account(&s.Account)
		case "Ntry":
			if !named {
				return r.fail(Malformed, "an entry before its account is named")
			}
			entries++
			return r.entry(f.Version, &s, fmt.Sprintf("statement %d, entry %d", number, entries))
		}
		return r.skip()
	}, "Id", "Acct")
	if err == nil && !named {
		err = r.fail(Malformed, "a statement without an account")
	}
	return s, err
}

// account reads a CashAccount. One that is named otherwise than by an IBAN leaves v empty.
func (r *reader) account(v *bank.IBAN) error {
	return r.each(func(name string, _ xml.StartElement) error {
		if name != "Id" {
			return r.skip()
		}
		var text string
		if err := r.path(&text, "IBAN"); err != nil {
			return err
		}
		*v, _ = bank.ParseIBAN(text) // none if it is none
		return nil
	}, "Id")
}
