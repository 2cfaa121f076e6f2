#pragma once

/// The front door for a C++ program that embeds CPython: tasklets of both languages on one scheduler, in the same channels.
///
/// ```cpp
/// namespace python = martlet::python;
///
/// martlet::task<> ask(martlet::channel<std::string>& names) {
///   python::attach();                                        // this worker has the interpreter until the next wait
///   auto module = python::reference::take(PyImport_ImportModule("handlers"));
///   auto greet = python::reference::take(PyObject_GetAttrString(module.get(), "greet"));
///   while (auto name = co_await names.receive()) {           // detached again
///     python::attach();
///     auto given = python::reference::take(PyUnicode_FromString(name->c_str()));
///     python::handle call = python::spawn(greet.get(), {given.get()});
///     python::reference answer = co_await call.join();       // or what Python raised, as a python::error
///   }
/// }
///
/// Py_Initialize();
/// martlet::python::run_here(ask(names));
/// ```
#include <martlet/python/attach.hpp>
#include <martlet/python/error.hpp>
#include <martlet/python/handle.hpp>
#include <martlet/python/object_channel.hpp>
#include <martlet/python/reference.hpp>
#include <martlet/python/run_here.hpp>
