// The few programs that otherwise empty images need, in one; it acts as the program it is called by.
//
// pause keeps the namespaces of a pod and reaps processes left in them. cp is what the init containers of
// network plugins call to leave a file on the node.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}

func pause() {
	events := make(chan os.Signal, 8)
	signal.Notify(events, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for event := range events {
		if event != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// write leaves the content under another name first: a program that is running cannot be written to, and
// nobody must read half of it.
func write(source, target string) error {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(target); err == nil && there.IsDir() {
		target = filepath.Join(target, filepath.Base(source))
	}
	unfinished := target + ".unfinished"
	to, err := os.OpenFile(unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err = io.Copy(to, from); err != nil {
		to.Close()
		return err
	}
	if err = to.Close(); err != nil {
		return err
	}
	return os.Rename(unfinished, target)
}

func copyFile(arguments []string) error {
	var names []string
	for _, argument := range arguments {
		if !strings.HasPrefix(argument, "-") {
			names = append(names, argument)
		}
	}
	if len(names) != 2 {
		return fmt.Errorf("cp: give a source and a target, not %q", names)
	}
	return write(names[0], names[1])
}

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "pause":
		pause()
	case "cp":
		if err := copyFile(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		fmt.Fprintf(os.Stderr, "%s: call this program as pause or cp\n", name)
		os.Exit(2)
	}
}
