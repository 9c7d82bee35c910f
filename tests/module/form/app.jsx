// The settings of the module as a form, made of their schema; what it gives is a ModuleConfig.
//
// `window.given` has the schema and the language. The YAML says only what differs from the defaults,
// as a person would write it.

import "bootstrap/dist/css/bootstrap.css";
import "./app.css";
import Form from "@rjsf/core";
import { englishStringTranslator } from "@rjsf/utils";
import defaultValidator, { customizeValidator } from "@rjsf/validator-ajv8";
import russian from "ajv-i18n/localize/ru";
import { dump } from "js-yaml";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const { schema, language } = window.given;
const isRussian = language === "ru";

const WORDS = {
  Yes: "Да", No: "Нет", Add: "Добавить", "Add Item": "Добавить", Remove: "Удалить", Key: "Ключ",
  "New Key": "ключ", "New Value": "значение", Errors: "Ошибки", Submit: "Готово",
  "Add to": "Добавить", "%1 Key": "Ключ: %1", Copy: "Копировать", "Move up": "Выше",
  "Move down": "Ниже",
};

const translate = (word, values) =>
  englishStringTranslator(isRussian ? (WORDS[word] ?? word) : word, values);

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** What of a value differs from the defaults of its schema; undefined: nothing. */
function changed(value, shape = {}) {
  if (value === undefined) return undefined;
  if (isObject(value) && shape.properties) {
    const kept = Object.entries(value)
      .map(([name, below]) => [name, changed(below, shape.properties[name])])
      .filter(([, below]) => below !== undefined);
    return kept.length ? Object.fromEntries(kept) : undefined;
  }
  const standard = shape.default ?? (shape.type === "array" ? [] : isObject(value) ? {} : undefined);
  return JSON.stringify(value) === JSON.stringify(standard) ? undefined : value;
}

function moduleConfig(settings) {
  const spec = { enabled: true, version: schema["x-config-version"] };
  if (settings !== undefined) spec.settings = settings;
  return dump({
    apiVersion: "deckhouse.io/v1alpha1",
    kind: "ModuleConfig",
    metadata: { name: "metallb" },
    spec,
  });
}

const uiSchema = {
  "ui:options": { enableMarkdownInDescription: true },
  "ui:globalOptions": { enableMarkdownInDescription: true },
  // not set, yes and no are three things
  highAvailability: { "ui:widget": "select" },
  l2: {
    excludedInterfaces: {
      "ui:options": { orderable: false },
      items: { "ui:options": { label: false, description: " " } },
    },
  },
  "ui:submitButtonOptions": { submitText: isRussian ? "Показать ModuleConfig" : "Show ModuleConfig" },
};

function Page() {
  const [data, setData] = useState({});
  const [yaml, setYaml] = useState("");
  return (
    <main>
      <h1>{isRussian ? "Модуль metallb: настройки" : "The metallb module: settings"}</h1>
      <Form
        schema={schema}
        uiSchema={uiSchema}
        formData={data}
        validator={isRussian ? customizeValidator({}, russian) : defaultValidator}
        translateString={translate}
        showErrorList={false}
        focusOnFirstError
        liveValidate="onChange"
        noHtml5Validate
        onChange={(event) => { setData(event.formData); setYaml(""); }}
        onSubmit={(event) => setYaml(moduleConfig(changed(event.formData, schema)))}
      />
      {yaml && <pre id="module-config">{yaml}</pre>}
    </main>
  );
}

createRoot(document.getElementById("root")).render(<Page />);
