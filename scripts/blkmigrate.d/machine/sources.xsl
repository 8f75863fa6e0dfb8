<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     Of several domains, in a document "domains": a line of UUID, name and path, between tabs, for each
     file or device of a disk, and of what is below it in a chain. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="UTF-8"/>

  <xsl:template match="/">
    <xsl:for-each select="/domains/domain/devices/disk//source[@file or @dev]">
      <xsl:value-of select="translate(concat(ancestor::domain/uuid, '&#9;', ancestor::domain/name), '&#10;&#13;', '  ')"/>
      <xsl:text>&#9;</xsl:text>
      <xsl:value-of select="translate(concat(@file, @dev), '&#10;&#13;', '&#xfffd;&#xfffd;')"/>
      <xsl:text>&#10;</xsl:text>
    </xsl:for-each>
  </xsl:template>
</xsl:stylesheet>
