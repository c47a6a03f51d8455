#!/bin/sh
echo "$1 of $#"
