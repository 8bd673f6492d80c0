package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// beside is several trees as one. No two of them have a file of the same name.
type beside []fs.FS

// sources is what the document is made of, seen from the directory of package apidoc: what
// is said there, and beside it what each dialect's package says of itself.
func sources(apidoc string) (fs.FS, error) {
	dirs, err := filepath.Glob(filepath.Join(apidoc, "..", "*", "openapi"))
	if err != nil {
		return nil, err
	}
	trees := beside{os.DirFS(filepath.Join(apidoc, "source"))}
	for _, d := range dirs {
		trees = append(trees, os.DirFS(d))
	}
	return trees, nil
}

// Open implements fs.FS.
func (b beside) Open(name string) (fs.File, error) {
	for _, tree := range b {
		if f, err := tree.Open(name); !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// ReadDir implements fs.ReadDirFS, in the order of names.
func (b beside) ReadDir(name string) ([]fs.DirEntry, error) {
	var all []fs.DirEntry
	for _, tree := range b {
		some, err := fs.ReadDir(tree, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(x, y fs.DirEntry) int { return strings.Compare(x.Name(), y.Name()) })
	for i := range all {
		if i > 0 && all[i].Name() == all[i-1].Name() && !all[i].IsDir() {
			return nil, fmt.Errorf("%s is there twice", all[i].Name())
		}
	}
	return all, nil
}
